//! What clients offer, on the smallest runtime there can be.

mod common;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::{PART, World, both, content, download, upload};
use sans3_core::error::{Cause, SourceError};
use sans3_runtime::{Deliveries, Error, PollRead, Replace, Standing};

/// Reads a few bytes at a time, then ends or fails.
struct Trickle {
    left: Bytes,
    fails: bool,
}

impl PollRead for Trickle {
    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = self.left.len().min(into.len()).min(7);
        if len == 0 && self.fails {
            return Poll::Ready(Err(io::Error::other("EIO")));
        }
        into[..len].copy_from_slice(&self.left.split_to(len));
        Poll::Ready(Ok(len))
    }
}

/// Lengths around the borders of parts.
fn lengths() -> [usize; 7] {
    let part = usize::try_from(PART).unwrap();
    [0, 1, part - 1, part, part + 1, 3 * part, 3 * part + 5]
}

#[test]
fn a_writer_takes_copies_gifts_and_what_is_written_in_place() {
    for len in lengths() {
        let (mut world, content) = (World::calm(), content(len));
        let ticket = world.hub.ticket();
        let (uploading, mut writer) = world.hub.upload_written(upload(), &ticket);
        let mut rest = Bytes::from(content.clone());
        let writing = async move {
            for turn in 0.. {
                if rest.is_empty() {
                    break;
                }
                writer.room().await.unwrap();
                // A gift may be longer than a part; the other two are not.
                let piece = rest.split_to(rest.len().min([300, 1700, 77][turn % 3]));
                match turn % 3 {
                    0 => {
                        let mut left = &piece[..];
                        while !left.is_empty() {
                            writer.room().await.unwrap();
                            let written = writer.write(left);
                            assert!(written > 0, "there was room");
                            left = &left[written..];
                        }
                    }
                    1 => writer.write_owned(piece),
                    _ => {
                        writer.reserve(100).unwrap()[..piece.len()].copy_from_slice(&piece);
                        writer.commit(piece.len());
                    }
                }
            }
            writer.finish().await.unwrap();
        };
        let (uploaded, ()) = world.run(both(uploading, writing));
        let uploaded = uploaded.unwrap();
        assert_eq!(uploaded.size, len as u64);
        assert!(world.stored().unwrap() == content, "{len} bytes");
    }
}

#[test]
fn no_more_is_reserved_than_there_is_nor_committed_than_was_reserved() {
    let mut world = World::calm();
    let ticket = world.hub.ticket();
    let (uploading, mut writer) = world.hub.upload_written(upload(), &ticket);
    let most = sans3_runtime::PushWriter::MAX_RESERVE;
    let writing = async move {
        writer.room().await.unwrap();
        assert_eq!(writer.reserve(most).unwrap().len(), most);
        assert!(matches!(writer.reserve(most + 1), Err(Error::Config(_))));
        writer.reserve(10).unwrap();
        writer.commit(11);
    };
    let committed = std::panic::AssertUnwindSafe(|| world.run(both(uploading, writing)));
    let panic = std::panic::catch_unwind(committed).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("the 10 bytes reserved, got 11"), "{text}");
}

#[test]
fn a_writer_that_is_dropped_unfinished_stores_nothing() {
    let mut world = World::calm();
    let ticket = world.hub.ticket();
    let (uploading, mut writer) = world.hub.upload_written(upload(), &ticket);
    let writing = async move {
        for _ in 0..3 {
            writer.room().await.unwrap();
            writer.write_owned(content(900).into());
        }
    };
    let (uploaded, ()) = world.run(both(uploading, writing));
    let error = uploaded.unwrap_err();
    assert!(error.to_string().contains("dropped unfinished"), "{error}");
    assert_eq!((world.stored(), world.uploads()), (None, 0));
}

#[test]
fn a_reader_is_read_to_its_end_whatever_the_pieces() {
    for len in lengths() {
        let (mut world, content) = (World::calm(), content(len));
        let reader = Trickle {
            left: content.clone().into(),
            fails: false,
        };
        let ticket = world.hub.ticket();
        let uploading = world.hub.upload_reader(upload(), reader, &ticket);
        assert_eq!(world.run(uploading).unwrap().size, len as u64);
        assert!(world.stored().unwrap() == content, "{len} bytes");
    }
}

#[test]
fn adversary_41_a_reader_that_fails_fails_the_upload_by_its_own_words() {
    for len in lengths() {
        let mut world = World::calm();
        let reader = Trickle {
            left: content(len).into(),
            fails: true,
        };
        let ticket = world.hub.ticket();
        let uploading = world.hub.upload_reader(upload(), reader, &ticket);
        let Err(Error::Transfer(error)) = world.run(uploading) else {
            panic!("{len} bytes of an unknown number are no object");
        };
        assert_eq!(error.cause, Cause::Source(SourceError::Read("EIO".into())));
        assert_eq!((world.stored(), world.uploads()), (None, 0));
    }
}

#[test]
fn bytes_are_delivered_in_order_and_the_summary_at_their_end() {
    for len in lengths() {
        let (mut world, content) = (World::calm(), content(len));
        world.peer.model.put("bucket", "key", content.clone());
        let ticket = world.hub.ticket();
        let (downloading, bytes) = world.hub.download_in_order(download(), &ticket);
        let mut deliveries = Deliveries::new(Box::pin(downloading), bytes);
        let mut came = Vec::new();
        loop {
            let next = std::future::poll_fn(|cx| deliveries.poll_next(cx));
            match world.run(next) {
                Some(piece) => came.extend_from_slice(&piece.unwrap()),
                None => break,
            }
        }
        assert!(came == content, "{len} bytes");
        assert_eq!(deliveries.summary().unwrap().size, len as u64);
    }
}

#[test]
fn a_file_appears_when_it_is_whole() {
    let (mut world, content) = (World::calm(), content(3_333));
    world.peer.model.put("bucket", "key", content.clone());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let ticket = world.hub.ticket();
    let downloading = world
        .hub
        .download_to_file(download(), &path, Replace::No, &ticket);
    assert_eq!(world.run(downloading).unwrap().parts, 4);
    assert!(std::fs::read(&path).unwrap() == content);

    let ticket = world.hub.ticket();
    let uploading = world.hub.upload_file(upload(), &path, &ticket);
    assert_eq!(world.run(uploading).unwrap().parts, 4);
    assert!(world.stored().unwrap() == content);
}

#[test]
fn an_exchange_that_is_lost_is_tried_again() {
    let mut world = World::calm();
    world.lost = Some(1);
    let ticket = world.hub.ticket();
    let uploading = world
        .hub
        .upload_bytes(upload(), content(2_500).into(), &ticket);
    assert_eq!(world.run(uploading).unwrap().parts, 3);
    assert!(world.stored().unwrap() == content(2_500));
    assert_eq!(world.hub.notices().len(), 1);
}

#[test]
fn a_caller_who_turns_away_leaves_nothing_behind() {
    let mut world = World::calm();
    let ticket = world.hub.ticket();
    let (uploading, mut writer) = world.hub.upload_written(upload(), &ticket);
    let mut uploading = Box::pin(uploading);
    let writing = async {
        for _ in 0..3 {
            writer.room().await.unwrap();
            writer.write_owned(content(1000).into());
        }
        while ticket.progress().bytes == 0 {
            let mut polled = false;
            std::future::poll_fn(|_| match std::mem::replace(&mut polled, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    };
    world.run(beside(&mut uploading, writing));
    assert_eq!(world.uploads(), 1);
    drop(uploading);
    while !world.desk.is_idle() {
        let _ = world.step();
    }
    assert_eq!((world.stored(), world.uploads()), (None, 0));
}

#[test]
fn closing_cancels_what_is_under_way_and_waits_for_it() {
    let mut world = World::calm();
    let ticket = world.hub.ticket();
    let (uploading, _writer) = world.hub.upload_written(upload(), &ticket);
    let hub = world.hub.clone();
    let closing = async move { hub.close().await };
    let (uploaded, ()) = world.run(both(uploading, closing));
    let Err(Error::Transfer(error)) = uploaded else {
        panic!("{uploaded:?}");
    };
    assert_eq!(error.cause, Cause::Cancelled);
    let ticket = world.hub.ticket();
    let late = world.hub.upload_bytes(upload(), Bytes::new(), &ticket);
    assert!(matches!(world.run(late), Err(Error::Closed)));
}

#[test]
fn a_driver_that_is_gone_is_an_error_and_no_wait() {
    let mut world = World::calm();
    let ticket = world.hub.ticket();
    let mut waiting = Box::pin(world.hub.upload_bytes(upload(), Bytes::new(), &ticket));
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(std::task::Waker::noop()))
            .is_pending()
    );
    let fresh = World::calm();
    drop(std::mem::replace(&mut world.desk, fresh.desk));
    assert!(matches!(world.run(waiting), Err(Error::Closed)));
    let late = world.hub.upload_bytes(upload(), Bytes::new(), &ticket);
    assert!(matches!(world.run(late), Err(Error::Closed)));
}

#[test]
fn the_driver_is_over_when_the_last_client_is_gone() {
    let World { hub, mut desk, .. } = World::calm();
    let mut work = || desk.work(sans3_core::time::Instant::ZERO, |_| {});
    assert_eq!(work(), Standing::Waits(None));
    let clone = hub.clone();
    drop(hub);
    assert_eq!(work(), Standing::Waits(None));
    drop(clone);
    assert_eq!(work(), Standing::Over);
}

#[test]
fn a_desk_that_begins_again_does_so_between_transfers_and_under_other_tokens() {
    let mut world = World::calm();
    let old = world.hub.ticket();
    let uploading = world
        .hub
        .upload_bytes(upload(), content(2_500).into(), &old);
    let mut uploading = Box::pin(uploading);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(uploading.as_mut().poll(&mut cx).is_pending());
    world.step();
    assert!(!world.desk.renew(7), "one is under way");
    assert_eq!(world.run(uploading).unwrap().parts, 3);

    assert!(world.desk.renew(7));
    let ticket = world.hub.ticket();
    let uploading = world
        .hub
        .upload_bytes(upload(), content(3_500).into(), &ticket);
    let mut uploading = Box::pin(uploading);
    assert!(uploading.as_mut().poll(&mut cx).is_pending());
    world.step();
    // The new session has given the old transfer's name to this one.
    old.cancel();
    assert_eq!(world.run(uploading).unwrap().parts, 4);
    assert!(world.stored().unwrap() == content(3_500));
}

/// The second, while the first goes on beside it and must not end.
async fn beside<A, B>(
    first: &mut (impl Future<Output = A> + Unpin),
    second: impl Future<Output = B>,
) -> B {
    let mut second = pin!(second);
    std::future::poll_fn(|cx| {
        assert!(pin!(&mut *first).poll(cx).is_pending(), "ended too early");
        second.as_mut().poll(cx)
    })
    .await
}
