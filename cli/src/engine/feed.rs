//! A stream that somebody can stop waiting for.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes read at once: what a pipe holds.
const PIECE: usize = 64 << 10;
/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// The bytes of a stream, read on a thread of its own: a read from a terminal or a pipe can't be
/// ended, so it must not be the thread that waits for the upload which hangs in it.
pub(super) struct Feed {
    /// Until the first byte is asked for.
    source: Option<File>,
    pieces: Receiver<Piece>,
    brake: Brake,
    /// What was not taken of the last piece.
    rest: io::Cursor<Vec<u8>>,
    over: bool,
}

/// Ends the reading of a [`Feed`], from any thread.
#[derive(Clone)]
pub(super) struct Brake {
    pulled: Arc<AtomicBool>,
    pieces: SyncSender<Piece>,
}

enum Piece {
    Bytes(Vec<u8>),
    End,
    Failed(io::Error),
    /// Whoever waits for bytes is to look at the brake.
    Look,
}

impl Feed {
    pub(super) fn new(source: File) -> (Self, Brake) {
        let (sender, pieces) = sync_channel(AHEAD);
        let brake = Brake {
            pulled: Arc::default(),
            pieces: sender,
        };
        let feed = Self {
            source: Some(source),
            pieces,
            brake: brake.clone(),
            rest: io::Cursor::default(),
            over: false,
        };
        (feed, brake)
    }

    /// Has the stream read from now on.
    fn start(&mut self) -> io::Result<()> {
        let Some(mut source) = self.source.take() else {
            return Ok(());
        };
        let pieces = self.brake.pieces.clone();
        let work = move || {
            loop {
                let piece = read(&mut source);
                let is_last = !matches!(piece, Piece::Bytes(_));
                // Nobody takes it where the upload has ended early.
                if pieces.send(piece).is_err() || is_last {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("sans3-stream".into());
        thread.spawn(work).map(drop)
    }
}

impl Brake {
    pub(super) fn is_pulled(&self) -> bool {
        self.pulled.load(Ordering::Acquire)
    }

    pub(super) fn pull(&self) {
        self.pulled.store(true, Ordering::Release);
        // Where there is no room nobody waits, and the next look is before the next wait.
        let _ = self.pieces.try_send(Piece::Look);
    }
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.start()?;
        loop {
            if self.brake.is_pulled() {
                return Err(io::Error::other("interrupted"));
            }
            let len = self.rest.read(into)?;
            if len > 0 || self.over {
                return Ok(len);
            }
            // There is a sender as long as the brake is here.
            match self.pieces.recv().map_err(io::Error::other)? {
                Piece::Bytes(bytes) => self.rest = io::Cursor::new(bytes),
                Piece::End => self.over = true,
                Piece::Failed(error) => return Err(error),
                Piece::Look => {}
            }
        }
    }
}

fn read(source: &mut File) -> Piece {
    let mut bytes = vec![0; PIECE];
    loop {
        match source.read(&mut bytes) {
            Ok(0) => return Piece::End,
            Ok(len) => {
                bytes.truncate(len);
                return Piece::Bytes(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Piece::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[cfg(unix)]
    fn pipe() -> (File, File) {
        let (reader, writer) = io::pipe().unwrap();
        let file = |end: std::os::fd::OwnedFd| File::from(end);
        (file(reader.into()), file(writer.into()))
    }

    #[test]
    #[cfg(unix)]
    fn all_bytes_come_in_order_and_then_the_end() {
        let (reader, mut writer) = pipe();
        let sent: Vec<u8> = (0..PIECE * 9 + 7).map(|at| at.to_le_bytes()[1]).collect();
        let bytes = sent.clone();
        let writer = thread::spawn(move || writer.write_all(&bytes).unwrap());
        let (mut feed, _brake) = Feed::new(reader);
        let mut seen = Vec::new();
        feed.read_to_end(&mut seen).unwrap();
        assert!(seen == sent);
        assert_eq!(feed.read(&mut [0]).unwrap(), 0);
        writer.join().unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_brake_ends_a_read_that_waits_and_never_as_the_end_of_the_bytes() {
        let (reader, _writer) = pipe();
        let (mut feed, brake) = Feed::new(reader);
        let waiting = thread::spawn(move || feed.read(&mut [0]).map_err(|error| error.to_string()));
        brake.pull();
        assert_eq!(waiting.join().unwrap(), Err("interrupted".to_owned()));
        assert!(brake.is_pulled());
    }

    #[test]
    #[cfg(unix)]
    fn what_can_not_be_read_says_so() {
        let directory = File::open(std::env::temp_dir()).unwrap();
        let (mut feed, _brake) = Feed::new(directory);
        let error = feed.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
