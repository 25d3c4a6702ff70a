//! Replays a trace that `sans3 --trace FILE` wrote: `replay FILE`.
//!
//! Exit codes: 0 where it led to the same requests, 1 where it did not, 2 where it can't be read.

use std::env;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use sans3_testkit::trace::{Failure, replay};

const DIFFERENT: u8 = 1;
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let (Some(path), None) = (words.next(), words.next()) else {
        eprintln!("usage: replay FILE, a trace that was written by sans3 --trace FILE");
        return UNREADABLE.into();
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("replay: {}: {error}", path.display());
            return UNREADABLE.into();
        }
    };
    match replay(BufReader::new(file)) {
        Ok(replayed) => {
            let records = replayed.records;
            let requests = replayed.requests;
            println!("the same: {records} records, {requests} requests");
            if !replayed.is_complete {
                println!("the recording was cut off: nothing says that this is all of it");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("replay: {}: {failure}", path.display());
            match failure {
                Failure::Different(_) => DIFFERENT.into(),
                Failure::Unreadable(_) => UNREADABLE.into(),
            }
        }
    }
}
