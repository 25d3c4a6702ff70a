//! What comes before the first run.

use sans3_core::error::Cause;
use sans3_core::operation::DeleteObject;
use sans3_core::transfer::{Length, Upload};
use sans3_runtime::Error;

use super::pattern::Pattern;
use super::plan::Plan;
use super::work::Bench;
use crate::calls::{end, finish};
use crate::engine::Engine;
use crate::exit::{Failure, Kind};
use crate::operand::Object;
use crate::output::{Event, Output};
use crate::signals::Interrupt;
use crate::size::Size;
use crate::span;

/// Bytes of the object that shows whether objects can be removed.
const PROBE: u64 = 1;

/// Why nothing can be measured here.
#[derive(Debug)]
pub(super) enum Unfit {
    /// And nothing is there that could be removed.
    Clean(Failure),
    /// And the object by which that was found out may be there.
    Unclean(Failure),
}

/// Says what will be done, and what it moves: that may cost money.
///
/// # Errors
/// As of [`Output::news`].
pub(super) fn announce(plan: &Plan, bench: &Bench<'_>, output: &Output) -> Result<(), Failure> {
    let [up, down] = plan.bytes();
    let requests = plan.requests();
    let where_to = bench.place.uri();
    let endpoint = bench.connection.endpoint.to_string();
    let runtime = bench.connection.runtime().name();
    let settings = plan.cells.len() as u64;
    output.news(
        || {
            format!(
                "measuring {endpoint} by {runtime}, in {where_to}, which is emptied at the end\n\
                 {settings} settings, {} runs each, {} at most: up to {} up and {} down by about \
                 {requests} requests\n\
                 requests and traffic cost money on Amazon S3 and elsewhere; Ctrl-C ends it",
                plan.repeat,
                span::short(plan.time),
                Size(up),
                Size(down),
            )
        },
        || {
            Event::new("bench")
                .text("uri", &where_to)
                .text("endpoint", &endpoint)
                .text("runtime", runtime)
                .number("settings", settings)
                .number("runs", plan.repeat.into())
                .number("bytes_up", up)
                .number("bytes_down", down)
                .number("requests", requests)
        },
    )
}

/// Makes the objects as files, and the one that is tried first.
///
/// # Errors
/// There is no room for them, or Ctrl-C.
pub(super) async fn write_files(
    plan: &Plan,
    bench: &Bench<'_>,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let seed = bench.seed;
    let members = plan.batches.iter().flat_map(|batch| {
        (0..batch.count).map(|number| {
            let pattern = Pattern::new(seed, batch.size, number);
            (bench.file(*batch, number), pattern, batch.size)
        })
    });
    let probe = (bench.scratch.path("probe"), Pattern::new(seed, 0, 0), PROBE);
    let files: Vec<_> = members.chain([probe]).collect();
    let writing = tokio::task::spawn_blocking(move || {
        for (path, pattern, size) in files {
            let written = pattern.write(&path, size);
            written.map_err(|error| Failure::io("writing to", &path, &error))?;
        }
        Ok(())
    });
    tokio::select! {
        written = writing => written
            .map_err(|error| Failure::new(Kind::Transfer, error.to_string()))?,
        () = interrupt.wait() => Err(Failure::interrupted()),
    }
}

/// Writes an object and removes it: before anything large is uploaded it must be known that it can
/// be removed again.
///
/// # Errors
/// One of the two is refused, or the removal leaves an older version.
pub(super) async fn prove(
    bench: &Bench<'_>,
    client: &Engine,
    interrupt: &mut Interrupt,
) -> Result<(), Unfit> {
    let Object { bucket, key } = bench.place.probe().map_err(Unfit::Clean)?;
    let upload = Upload::new(bucket.clone(), key.clone(), Length::Known(PROBE));
    let running = client.upload_file(upload, &bench.scratch.path("probe"));
    let uploaded = end(running, interrupt).await;
    uploaded.map_err(|error| {
        let failure = Failure::transfer(&error, bench.site);
        if is_refusal(&error) {
            Unfit::Clean(failure)
        } else {
            Unfit::Unclean(failure)
        }
    })?;
    let delete = DeleteObject::new(bucket, key);
    let deleted = finish(client.call(delete), interrupt, bench.site).await;
    let deleted = deleted.map_err(|failure| {
        let message = format!("what is uploaded can't be removed: {}", failure.message);
        Unfit::Unclean(Failure { message, ..failure })
    })?;
    if !deleted.delete_marker {
        return Ok(());
    }
    let uri = bench.place.uri();
    let message = format!(
        "the bucket keeps older versions, so that nothing which is uploaded could be removed for \
         good; a version of {} and its delete marker are left beneath {uri}",
        Size(PROBE)
    );
    let failure = Failure::new(Kind::Transfer, message);
    // Another removal would only put another marker on top.
    Err(Unfit::Clean(failure.with_advice(
        "measure a bucket without versions on the same server",
    )))
}

/// Whether the server did nothing, and said so.
fn is_refusal(error: &Error) -> bool {
    let Error::Transfer(error) = error else {
        return false;
    };
    matches!(error.root(), Cause::S3(error) if (400..500).contains(&error.status))
}
