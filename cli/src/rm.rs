//! `sans3 rm`: removes an object, or aborts unfinished uploads.

use sans3_core::endpoint::{ObjectKey, S3Uri};
use sans3_core::operation::{
    AbortMultipartUpload, DeleteObject, ListMultipartUploads, ListedUpload,
};
use sans3_core::time::UnixTime;
use sans3_platform::Environment;

use crate::args::{ConnectionArgs, RmArgs};
use crate::calls::finish;
use crate::circle::Circle;
use crate::clock;
use crate::config::Connection;
use crate::engine::Engine;
use crate::exit::{Failure, Kind, Site};
use crate::operand::{parse_uri, s3_uri, whole_object};
use crate::output::{Event, Output, plain};
use crate::signals::Interrupt;

pub(crate) async fn run(
    args: &RmArgs,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let uri = parse_uri(&args.uri)?;
    if !args.uploads {
        return remove(&uri, connection, output, interrupt).await;
    }
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let sweep = Sweep {
        client: resolved.small_client(connection)?,
        site: resolved.site(&uri.bucket, &uri.key),
        begun_by: args.older_than.map(|span| {
            let seconds = i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
            clock::now().offset(seconds.saturating_neg())
        }),
        dry_run: args.dry_run,
        uri,
        output,
    };
    sweep.run(interrupt).await
}

async fn remove(
    uri: &S3Uri,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let object = whole_object(uri, "what to remove")?;
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let client = resolved.small_client(connection)?;
    let site = resolved.site(&object.bucket, object.key.as_bytes());
    let delete = DeleteObject::new(object.bucket.clone(), object.key.clone());
    let deleted = finish(client.call(delete), interrupt, &site).await?;
    output.news(
        || {
            let marker = if deleted.delete_marker {
                " (older versions stay)"
            } else {
                ""
            };
            format!("removed {}{marker}", object.uri())
        },
        || {
            Event::new("removed")
                .text("bucket", object.bucket.as_str())
                .key("key", object.key.as_bytes())
                .flag("delete_marker", deleted.delete_marker)
                .maybe_text("version_id", deleted.version_id.as_deref())
        },
    )
}

/// Goes through the unfinished uploads beneath a prefix.
struct Sweep<'a> {
    client: Engine,
    site: Site,
    uri: S3Uri,
    /// Only those begun by then.
    begun_by: Option<UnixTime>,
    dry_run: bool,
    output: &'a Output,
}

#[derive(Default)]
struct Count {
    found: u64,
    aborted: u64,
    failed: u64,
}

impl Sweep<'_> {
    async fn run(&self, interrupt: &mut Interrupt) -> Result<(), Failure> {
        let mut count = Count::default();
        let mut request = Some(ListMultipartUploads {
            prefix: self.uri.key.clone(),
            ..ListMultipartUploads::new(self.uri.bucket.clone())
        });
        let mut circle = Circle::default();
        while let Some(asked) = request.take() {
            let page = finish(self.client.call(asked.clone()), interrupt, &self.site).await?;
            for upload in page.uploads.iter().filter(|upload| self.is_meant(upload)) {
                count.found += 1;
                self.deal_with(upload, &mut count, interrupt).await?;
            }
            request = circle.follow(asked.next_page(&page));
        }
        self.conclude(&count)
    }

    fn is_meant(&self, upload: &ListedUpload) -> bool {
        let old_enough = match (self.begun_by, upload.initiated) {
            (None, _) => true,
            (Some(by), Some(begun)) => begun <= by,
            // Its age is unknown: it may be under way.
            (Some(_), None) => false,
        };
        // Servers have been seen to ignore the prefix.
        old_enough && upload.key.starts_with(&self.uri.key)
    }

    async fn deal_with(
        &self,
        upload: &ListedUpload,
        count: &mut Count,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        if self.dry_run {
            return self.tell(upload, "found", "upload_found");
        }
        let aborted = match ObjectKey::new(upload.key.as_slice()) {
            Ok(key) => {
                let bucket = self.uri.bucket.clone();
                let abort = AbortMultipartUpload::new(bucket, key, upload.upload_id.clone());
                finish(self.client.call(abort), interrupt, &self.site)
                    .await
                    .map(drop)
            }
            Err(error) => Err(Failure::new(Kind::Transfer, error.to_string())),
        };
        match aborted {
            Ok(()) => {
                count.aborted += 1;
                self.tell(upload, "aborted", "upload_aborted")
            }
            Err(failure) if failure.kind == Kind::Interrupted => Err(failure),
            // One that resists must not protect the others.
            Err(failure) => {
                count.failed += 1;
                let uri = s3_uri(&self.uri.bucket, &upload.key);
                let id = upload.upload_id.as_str();
                self.output
                    .warn(&format!("upload {id} to {uri} stays: {}", failure.message))
            }
        }
    }

    fn tell(&self, upload: &ListedUpload, word: &str, event: &str) -> Result<(), Failure> {
        let begun = upload.initiated.as_ref().map(UnixTime::to_string);
        self.output.data(
            || {
                let begun = begun.as_deref().unwrap_or("unknown time");
                let id = plain(upload.upload_id.as_str());
                format!(
                    "{word} {begun:20} {} {id}",
                    s3_uri(&self.uri.bucket, &upload.key)
                )
            },
            || {
                Event::new(event)
                    .text("bucket", self.uri.bucket.as_str())
                    .key("key", &upload.key)
                    .text("upload_id", upload.upload_id.as_str())
                    .maybe_text("initiated", begun.as_deref())
            },
        )
    }

    fn conclude(&self, count: &Count) -> Result<(), Failure> {
        let Count {
            found,
            aborted,
            failed,
        } = *count;
        self.output.news(
            || match (self.dry_run, found) {
                (_, 0) => "no unfinished uploads".to_owned(),
                (true, _) => format!("{found} unfinished uploads; nothing was aborted"),
                (false, _) => format!("{aborted} of {found} unfinished uploads aborted"),
            },
            || {
                Event::new("uploads")
                    .number("found", found)
                    .number("aborted", aborted)
                    .number("failed", failed)
            },
        )?;
        if failed > 0 {
            let message = format!("{failed} of {found} uploads could not be aborted");
            return Err(Failure::new(Kind::Transfer, message)
                .with_advice("run the command again; it finds what is left"));
        }
        Ok(())
    }
}
