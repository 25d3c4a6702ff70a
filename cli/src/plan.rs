//! `sans3 plan`: what a copy would do. Sends nothing, and reads nothing but a file's size.

use sans3_core::endpoint::{Endpoint, Region};
use sans3_core::error::SpecError;
use sans3_core::operation::OperationKind;
use sans3_core::part::{PartPlan, PartSchedule};
use sans3_core::session::{CredentialSource, SessionConfig};

use crate::args::PlanArgs;
use crate::bounds::{self, DEFAULT_PART_SIZE, Passage};
use crate::config::bound;
use crate::cp::{part_size, source_metadata};
use crate::exit::Failure;
use crate::operand::{Copy, Local};
use crate::output::{Event, Output};
use crate::size::Size;

pub(crate) fn run(args: &PlanArgs, output: &Output) -> Result<(), Failure> {
    let copy = Copy::new(&args.source, &args.target)?;
    let wanted = part_size(args.transfer.part_size)?.map(std::num::NonZeroU64::get);
    let config = session(args)?;
    let given = args.size.map(|Size(bytes)| bytes);
    let plan = match &copy {
        Copy::Up { source, .. } => match length(source, given)? {
            Length::Known(len) => known_upload(len, wanted, &config),
            Length::Unknown(len) => {
                bounds::check(&config, Passage::Kept, wanted)?;
                stream_upload(len, wanted, &config)
            }
        },
        Copy::Down { target, .. } => {
            let len = given.ok_or_else(|| {
                Failure::usage("expected the object's size, got none")
                    .with_advice("pass --size; `sans3 ls` tells it. A plan sends no request")
            })?;
            let passage = match target {
                Local::Stdio => Passage::Reordered,
                Local::File(_) => Passage::Buffers,
            };
            Ok(download(len, wanted, passage, &config))
        }
    };
    plan.map_err(|error| Failure::usage(error.to_string()))?
        .print(output, &config)
}

/// A copy, as it would be done.
struct Plan {
    what: &'static str,
    /// "part" or "range".
    piece: &'static str,
    size: Option<u64>,
    passage: Passage,
    part_size: u64,
    /// Runs of pieces of one size: how many, and how large.
    runs: Vec<(u64, u64)>,
    requests: Vec<(OperationKind, u64)>,
    remark: Option<String>,
}

enum Length {
    Known(u64),
    /// A stream; how long it will be, where the user says so.
    Unknown(Option<u64>),
}

fn length(source: &Local, given: Option<u64>) -> Result<Length, Failure> {
    let Local::File(path) = source else {
        return Ok(Length::Unknown(given));
    };
    if let Some(len) = given {
        return Ok(Length::Known(len));
    }
    let metadata = source_metadata(path)?;
    Ok(if metadata.is_file() {
        Length::Known(metadata.len())
    } else {
        Length::Unknown(None)
    })
}

/// The bounds of a session; where it leads to makes no difference.
fn session(args: &PlanArgs) -> Result<SessionConfig, Failure> {
    let region = Region::new("us-east-1").map_err(|error| Failure::usage(error.to_string()))?;
    let mut config = SessionConfig::new(Endpoint::aws(region), CredentialSource::Anonymous);
    bound(&mut config, &args.transfer)?;
    Ok(config)
}

fn known_upload(len: u64, wanted: Option<u64>, config: &SessionConfig) -> Result<Plan, SpecError> {
    let plan = PartPlan::new(len, wanted, &config.limits)?;
    let single = plan.count() <= 1 && len <= config.limits.max_put;
    Ok(Plan {
        what: "upload",
        piece: "part",
        size: Some(len),
        passage: Passage::Buffers,
        part_size: plan.part_size(),
        runs: runs(len, plan.part_size()),
        requests: upload_requests(single, u64::from(plan.count())),
        remark: None,
    })
}

fn stream_upload(
    len: Option<u64>,
    wanted: Option<u64>,
    config: &SessionConfig,
) -> Result<Plan, SpecError> {
    let largest = config.largest_buffered_part();
    let first = wanted.unwrap_or_else(|| DEFAULT_PART_SIZE.min(largest));
    let schedule = PartSchedule::new(first, largest, false, &config.limits)?;
    let capacity = schedule.capacity();
    if let Some(len) = len.filter(|len| *len > capacity) {
        let expected = match schedule.needed_cap(len) {
            Some(cap) => format!(
                "at most {}; {} of --memory has room for more",
                Size(capacity),
                Size(cap.saturating_mul(2))
            ),
            None => format!("at most {}, or a larger --part-size", Size(capacity)),
        };
        return Err(SpecError::new(
            "stream length",
            expected,
            Size(len).to_string(),
        ));
    }
    let single = len.is_some_and(|len| len <= first);
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut left = len.unwrap_or(0);
    for part in (0..)
        .map_while(|index| schedule.get(index))
        .take_while(|_| len.is_some())
    {
        let size = part.len.min(left);
        match runs.last_mut() {
            Some((count, last)) if *last == size => *count += 1,
            _ => runs.push((1, size)),
        }
        left -= size;
        if left == 0 {
            break;
        }
    }
    let count = runs.iter().map(|(count, _)| count).sum();
    let grows = format!(
        "parts of {} at first, growing to {}: room for {}",
        Size(first),
        Size(largest.min(config.limits.max_part)),
        Size(capacity)
    );
    Ok(Plan {
        what: "upload of a stream",
        piece: "part",
        size: len,
        passage: Passage::Kept,
        part_size: first,
        runs,
        requests: if len.is_some() {
            upload_requests(single, count)
        } else {
            Vec::new()
        },
        remark: Some(grows),
    })
}

fn upload_requests(single: bool, parts: u64) -> Vec<(OperationKind, u64)> {
    if single {
        return vec![(OperationKind::PutObject, 1)];
    }
    vec![
        (OperationKind::CreateMultipartUpload, 1),
        (OperationKind::UploadPart, parts),
        (OperationKind::CompleteMultipartUpload, 1),
    ]
}

fn download(len: u64, wanted: Option<u64>, passage: Passage, config: &SessionConfig) -> Plan {
    let part_size = wanted.unwrap_or(DEFAULT_PART_SIZE);
    let runs = runs(len, part_size);
    let ranges = runs.iter().map(|(count, _)| count).sum::<u64>().max(1);
    let remark = (bounds::requests_at_once(config, passage, part_size) < config.first_slots())
        .then(|| "little memory: fewer requests at once than --concurrency allows".to_owned());
    Plan {
        what: "download",
        piece: "range",
        size: Some(len),
        passage,
        part_size,
        runs,
        requests: vec![
            (OperationKind::HeadObject, 1),
            (OperationKind::GetObject, ranges),
        ],
        remark,
    }
}

/// Pieces of one size, of which the last may be smaller.
fn runs(len: u64, part_size: u64) -> Vec<(u64, u64)> {
    let (full, rest) = (len / part_size.max(1), len % part_size.max(1));
    let runs = [(full, part_size), (u64::from(rest > 0), rest)];
    runs.into_iter().filter(|(count, _)| *count > 0).collect()
}

impl Plan {
    fn print(&self, output: &Output, config: &SessionConfig) -> Result<(), Failure> {
        let pieces: u64 = self.runs.iter().map(|(count, _)| count).sum();
        let at_once = bounds::requests_at_once(config, self.passage, self.part_size);
        let at_once = match self.size {
            Some(_) => at_once.min(u16::try_from(pieces.max(1)).unwrap_or(u16::MAX)),
            None => at_once,
        };
        let memory = bounds::peak_memory(config, self.passage, self.part_size, self.size);
        if output.is_json() {
            return self.print_events(output, at_once, memory, pieces);
        }
        let say = |text: String| output.data(|| text, || Event::new("plan"));
        let size = self.size.map_or("unknown size".to_owned(), |size| {
            format!("{} ({size} bytes)", Size(size))
        });
        say(format!("{} of {size}", self.what))?;
        if self.size.is_some() {
            let runs: Vec<String> = self
                .runs
                .iter()
                .map(|(count, size)| format!("{count} of {}", Size(*size)))
                .collect();
            let runs = if runs.is_empty() {
                "none".to_owned()
            } else {
                runs.join(", then ")
            };
            say(format!("  {:10} {runs}", format!("{}s", self.piece)))?;
            let requests: Vec<String> = self
                .requests
                .iter()
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect();
            say(format!("  {:10} {}", "requests", requests.join(", ")))?;
        }
        say(format!("  {:10} {at_once}", "at once"))?;
        say(format!(
            "  {:10} {} of payload at most, of {} allowed",
            "memory",
            Size(memory),
            Size(config.memory)
        ))?;
        match &self.remark {
            Some(remark) => say(format!("  {:10} {remark}", "note")),
            None => Ok(()),
        }
    }

    fn print_events(
        &self,
        output: &Output,
        at_once: u16,
        memory: u64,
        pieces: u64,
    ) -> Result<(), Failure> {
        let (mut number, mut offset) = (0_u64, 0_u64);
        for (count, size) in &self.runs {
            for _ in 0..*count {
                number += 1;
                output.event(
                    Event::new(self.piece)
                        .number("number", number)
                        .number("offset", offset)
                        .number("size", *size),
                )?;
                offset += size;
            }
        }
        let requests = self.requests.iter().map(|(_, count)| count).sum();
        output.event(
            Event::new("plan")
                .text("what", self.what)
                .maybe_number("size", self.size)
                .number("part_size", self.part_size)
                .number("pieces", pieces)
                .number("requests", requests)
                .number("at_once", at_once.into())
                .number("memory_bytes", memory),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_size_exactly() {
        assert_eq!(runs(0, 8), []);
        assert_eq!(runs(8, 8), [(1, 8)]);
        assert_eq!(runs(17, 8), [(2, 8), (1, 1)]);
        assert_eq!(runs(3, 8), [(1, 3)]);
    }
}
