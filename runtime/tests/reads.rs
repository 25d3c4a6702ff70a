//! Who reads the bytes of an upload, and how often.

#[expect(dead_code, reason = "other tests use the rest")]
mod common;

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use common::{World, content, upload};
use sans3_core::checksum::Algorithm;
use sans3_core::session::{ChecksumPlacement, SessionConfig};
use sans3_core::transfer::{Upload, Verified};
use sans3_runtime::buffer::BUFFER_SIZE;
use sans3_runtime::{Error, Offload, ReadAt};

thread_local! {
    /// Whether this thread is doing what blocks.
    static AWAY: Cell<bool> = const { Cell::new(false) };
}

/// Marks what is left to it.
struct Away {
    is_here: bool,
}

impl Offload for Away {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        AWAY.set(true);
        work();
        AWAY.set(false);
    }

    fn is_here(&self) -> bool {
        self.is_here
    }
}

/// A source that notes who reads it.
#[derive(Clone)]
struct Watched {
    content: Arc<Vec<u8>>,
    is_quick: bool,
    /// How long each read takes.
    pace: Duration,
    /// Where each read began, and whether it was left to others.
    reads: Arc<Mutex<Vec<(u64, bool)>>>,
    /// At which of its reads it changes.
    changes_at: Option<usize>,
    version: Arc<AtomicU64>,
}

impl ReadAt for Watched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut reads = self.reads.lock().unwrap();
        if self.changes_at == Some(reads.len()) {
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        reads.push((offset, AWAY.get()));
        sleep(self.pace);
        let start = usize::try_from(offset).unwrap();
        let bytes = self.content.get(start..start + buf.len());
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn is_quick(&self) -> bool {
        self.is_quick
    }

    fn version(&self) -> io::Result<u64> {
        Ok(self.version.load(Ordering::Relaxed))
    }
}

impl Watched {
    fn new(len: usize) -> Self {
        Self {
            content: Arc::new(content(len)),
            is_quick: true,
            pace: Duration::ZERO,
            reads: Arc::default(),
            changes_at: None,
            version: Arc::default(),
        }
    }

    /// Uploads it by one PUT: what came of it, the reads, and how many of them were left to others.
    fn upload(
        &self,
        checksum: Algorithm,
        is_here: bool,
        settle: impl FnOnce(&mut SessionConfig),
    ) -> (Result<(), Error>, Vec<u64>, usize) {
        let mut world = World::offloading(Away { is_here }, Box::new(|_, ask| ask()), settle);
        let upload = Upload {
            part_size: (self.content.len() as u64).max(100).try_into().ok(),
            checksum,
            ..upload()
        };
        let ticket = world.hub.ticket();
        let uploading = world.hub.upload_at(upload, self.clone(), &ticket);
        let uploaded = world.run(uploading);
        let expected = uploaded.is_ok().then_some(&*self.content);
        assert!(world.stored().as_ref() == expected);
        let reads = self.reads.lock().unwrap();
        let away = reads.iter().filter(|(_, away)| *away).count();
        let offsets = reads.iter().map(|(offset, _)| *offset).collect();
        (uploaded.map(drop), offsets, away)
    }
}

const SLICE: u64 = BUFFER_SIZE as u64;

const LIGHT: Algorithm = Algorithm::Crc64Nvme;

/// Two slices and a bit.
const LARGE: usize = 2 * BUFFER_SIZE + 7;

#[test]
fn a_small_payload_is_read_once_by_whoever_sends_it() {
    for len in [1, 1000, BUFFER_SIZE] {
        for (algorithm, is_quick, away) in [
            (LIGHT, true, 0),
            (Algorithm::Sha256, true, 0),
            (Algorithm::Md5, true, 0),
            (LIGHT, false, 1),
        ] {
            let source = Watched {
                is_quick,
                ..Watched::new(len)
            };
            let (uploaded, reads, seen) = source.upload(algorithm, false, |_| {});
            uploaded.unwrap();
            assert_eq!((reads, seen), (vec![0], away), "{len} {algorithm:?}");
        }
    }
}

#[test]
fn an_empty_payload_is_not_read_at_all() {
    let (uploaded, reads, _) = Watched::new(0).upload(LIGHT, false, |_| {});
    uploaded.unwrap();
    // To see that it is empty, as it says.
    assert_eq!(reads, [0]);
}

#[test]
fn a_large_payload_is_read_where_it_is_sent_as_long_as_that_takes_no_time() {
    let all = [0, SLICE, 2 * SLICE].repeat(2);
    for (algorithm, is_quick, is_here, away) in [
        (LIGHT, true, false, 0),
        (LIGHT, false, false, 6),
        (LIGHT, false, true, 0),
        // All but the last slice, which is small.
        (Algorithm::Sha256, true, false, 5),
        (Algorithm::Sha256, true, true, 0),
    ] {
        let source = Watched {
            is_quick,
            ..Watched::new(LARGE)
        };
        let (uploaded, reads, seen) = source.upload(algorithm, is_here, |_| {});
        uploaded.unwrap();
        assert_eq!(reads, all, "{algorithm:?}");
        assert_eq!(seen, away, "{algorithm:?} {is_quick} {is_here}");
    }
}

#[test]
fn a_device_is_waited_for_by_threads_for_that() {
    let source = Watched {
        pace: Duration::from_millis(20),
        ..Watched::new(LARGE)
    };
    let (uploaded, reads, away) = source.upload(LIGHT, false, |_| {});
    uploaded.unwrap();
    // The first three show what it is.
    assert_eq!((reads.len(), away), (6, 3));
}

#[test]
fn a_payload_with_its_checksum_behind_it_is_read_once() {
    // Chunks of a slice, of less, and of more than one.
    for (slice, reads) in [
        (SLICE, vec![0, SLICE, 2 * SLICE]),
        (200_000, vec![0, 200_000, 400_000]),
        (300_000, vec![0, SLICE, 300_000]),
        (SLICE + 1, vec![0, SLICE, SLICE + 1]),
    ] {
        for (is_quick, away) in [(true, 0), (false, reads.len())] {
            let source = Watched {
                is_quick,
                ..Watched::new(LARGE)
            };
            let (uploaded, seen, left) = source.upload(LIGHT, false, |session| {
                session.checksums = ChecksumPlacement::Trailer;
                session.slice = slice.try_into().unwrap();
            });
            uploaded.unwrap();
            // Each chunk may begin with a slice of its own.
            let mut starts = seen.clone();
            starts.dedup();
            assert_eq!(starts, seen, "nothing is read twice");
            assert!(reads.iter().all(|at| seen.contains(at)), "{seen:?}");
            assert_eq!(left, if away > 0 { seen.len() } else { 0 });
        }
    }
}

#[test]
fn a_signed_payload_is_hashed_first_wherever_checksums_stand() {
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        let (uploaded, reads, _) = Watched::new(LARGE).upload(algorithm, false, in_trailers);
        uploaded.unwrap();
        assert_eq!(reads.len(), 6, "{algorithm:?}");
    }
}

#[test]
fn bytes_in_memory_are_framed_where_they_lie() {
    for slice in [8192, SLICE] {
        let content = content(LARGE);
        let mut world = World::offloading(
            Away { is_here: false },
            Box::new(|sent, ask| {
                assert!(sent.headers.contains_key("x-amz-trailer"));
                ask()
            }),
            |session| {
                in_trailers(session);
                session.slice = slice.try_into().unwrap();
            },
        );
        let upload = Upload {
            part_size: None,
            ..upload()
        };
        let ticket = world.hub.ticket();
        let uploading = world
            .hub
            .upload_bytes(upload, content.clone().into(), &ticket);
        let uploaded = world.run(uploading).unwrap();
        assert_eq!(uploaded.verified, Verified::FullObject(LIGHT));
        assert!(world.stored() == Some(content), "chunks of {slice}");
    }
}

#[test]
fn a_source_that_changes_while_it_is_read_is_not_stored() {
    for (len, reads, settle) in [
        (1000, 1, in_headers as fn(&mut SessionConfig)),
        (1000, 1, in_trailers),
        (LARGE, 6, in_headers),
        (LARGE, 3, in_trailers),
    ] {
        for changes_at in 0..reads {
            let source = Watched {
                changes_at: Some(changes_at),
                ..Watched::new(len)
            };
            let (uploaded, seen, _) = source.upload(LIGHT, false, settle);
            let error = uploaded.unwrap_err().to_string();
            assert!(error.contains("it was modified"), "{changes_at}: {error}");
            assert!(seen.len() <= reads);
        }
    }
}

const fn in_headers(session: &mut SessionConfig) {
    session.checksums = ChecksumPlacement::Header;
}

const fn in_trailers(session: &mut SessionConfig) {
    session.checksums = ChecksumPlacement::Trailer;
}
