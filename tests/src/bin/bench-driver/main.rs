//! Carries out one job with one runtime, and nothing else: what a benchmark times from outside.
//!
//! The job is told by environment variables, as benchmarks of many clients have them:
//!
//! | variable | meaning |
//! |---|---|
//! | `SANS3_RUNTIME` | `tokio`, `smol` or `blocking` |
//! | `OP` | `get`, `put`: one object; `getmany`, `putmany`: `COUNT` of them; `start`: one GET of 64 KiB |
//! | `ENDPOINT`, `BUCKET`, `KEY` | where; `getmany` and `putmany` append `/000000` and so on to `KEY` |
//! | `SIZE` | bytes of each object; 0 where it is not known |
//! | `MODE` | `eq`: parts of `PART` bytes, `CONC` at once; else the defaults |
//! | `FILE` | where bytes go to or come from: a file, or a directory for many; without one, bytes are dropped |
//! | `CHECKSUMS` | where those of uploads stand: `header` or `trailer`; what suits the endpoint by default |
//! | `CONFIRM` | `never`: an object that the server has acknowledged is not looked at |
//! | `AWS_CA_BUNDLE` | a PEM file of the certificate authorities to trust |

mod job;
mod runtimes;

use std::process::ExitCode;

use job::Job;

fn main() -> ExitCode {
    let carried_out = Job::from_env().and_then(|job| runtimes::carry_out(&job));
    match carried_out {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-driver: {error}");
            ExitCode::FAILURE
        }
    }
}
