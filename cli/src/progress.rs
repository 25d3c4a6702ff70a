//! Watching a transfer: a bar for people, events for programs, and Ctrl-C for both.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sans3_core::progress::Progress;
use sans3_runtime::{Error, Stats};

use crate::engine::Running;
use crate::exit::Failure;
use crate::output::{Event, Output};
use crate::report::count;
use crate::signals::Interrupt;
use crate::size::Size;
use crate::span;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(100);
/// How often an event tells of progress.
const EVENT_EVERY: Duration = Duration::from_secs(1);

/// A transfer that has ended, and what it took.
#[derive(Debug)]
pub(crate) struct Finished<T> {
    pub(crate) result: Result<T, Error>,
    pub(crate) stats: Stats,
    pub(crate) progress: Progress,
    pub(crate) elapsed: Duration,
}

/// Waits for a transfer, shows how far it is, and cancels it on the first Ctrl-C: then it still
/// takes the time that it needs to clean up behind itself.
///
/// # Errors
/// stdout, where events go there, has gone: then the transfer is cancelled and waited for as well. One
/// that was done all the same is no error.
pub(crate) async fn follow<T>(
    mut running: Running<T>,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<Finished<T>, Failure> {
    let started = Instant::now();
    let mut meter = Meter::new(output);
    let mut ticks = tokio::time::interval(TICK);
    let mut cancelled = false;
    let mut unheard = None;
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            () = interrupt.wait(), if !cancelled => {
                cancelled = true;
                meter.set_message("cleaning up; Ctrl-C again leaves at once");
                running.cancel();
            }
            _ = ticks.tick() => {
                if let Err(failure) = meter.show(&running.progress()) && unheard.is_none() {
                    unheard = Some(failure);
                    cancelled = true;
                    running.cancel();
                }
            }
        }
    };
    meter.clear();
    match unheard {
        Some(failure) if result.is_err() => Err(failure),
        _ => Ok(Finished {
            result,
            stats: running.stats(),
            progress: running.progress(),
            elapsed: started.elapsed(),
        }),
    }
}

struct Meter<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    next_event: Instant,
}

impl<'a> Meter<'a> {
    fn new(output: &'a Output) -> Self {
        let bar = output.wants_bar().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            ProgressBar::with_draw_target(None, target).with_style(style(false))
        });
        Self {
            output,
            bar,
            next_event: Instant::now() + EVENT_EVERY,
        }
    }

    fn show(&mut self, progress: &Progress) -> Result<(), Failure> {
        if let Some(bar) = &self.bar {
            if let Some(total) = progress.total.filter(|_| bar.length().is_none()) {
                bar.set_style(style(true));
                bar.set_length(total);
            }
            bar.set_position(progress.bytes);
            bar.set_prefix(describe(progress));
        }
        if !self.output.wants_progress_events() || Instant::now() < self.next_event {
            return Ok(());
        }
        self.next_event = Instant::now() + EVENT_EVERY;
        self.output.event(event(progress))
    }

    fn set_message(&self, text: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(total_known: bool) -> ProgressStyle {
    let template = if total_known {
        "[{bar:30}] {percent:>3}% {prefix} {msg}"
    } else {
        "{spinner} {prefix} {msg}"
    };
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn describe(progress: &Progress) -> String {
    let mut text = Size(progress.bytes).to_string();
    if let Some(total) = progress.total {
        text = format!("{text} of {}", Size(total));
    }
    text = format!("{text}, {}/s", Size(progress.rate));
    if let Some(remaining) = progress.remaining {
        text = format!("{text}, {} left", span::short(remaining));
    }
    if progress.retries > 0 {
        text = format!("{text}, {}", count(progress.retries, "retry", "retries"));
    }
    text
}

fn event(progress: &Progress) -> Event {
    Event::new("progress")
        .number("bytes", progress.bytes)
        .maybe_number("total_bytes", progress.total)
        .number("parts", progress.parts.into())
        .maybe_number("total_parts", progress.parts_total.map(u64::from))
        .number("requests", progress.attempts.into())
        .number("retries", progress.retries.into())
        .number("bytes_per_second", progress.rate)
        .maybe_number(
            "seconds_left",
            progress.remaining.map(|left| left.as_secs()),
        )
}
