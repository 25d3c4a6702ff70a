//! A runtime without a thread, clock or socket: exchanges are answered by the model of S3, one after
//! the other, by whoever polls.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use sans3_core::attempt::{Attempt, Outcome, Ready, Sent as Left};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::{Download, Length, Upload};
use sans3_runtime::{
    Assignment, ClientConfig, Desk, End, Hub, Intake, Offload, Standing, Task, Work,
};
use sans3_testkit::drive::{ModelPeer, Peer, Reply, Sent};
use sans3_testkit::model::{Model, ModelConfig};

/// The smallest part of the sessions here: their limits are scaled down.
pub(crate) const PART: u64 = 1000;

const WALL: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// What a hook makes of a request: the model's answer, or another one.
pub(crate) type Hook = Box<dyn FnMut(&Sent, &mut dyn FnMut() -> Reply) -> Reply>;

pub(crate) type ModelHook = Box<dyn FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply>;

/// The driver's side, and the server behind it.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) desk: Desk,
    pub(crate) peer: ModelPeer<ModelHook>,
    /// The number of an exchange (from 0) that is dropped without an outcome.
    pub(crate) lost: Option<usize>,
    pub(crate) exchanges: usize,
    now: Instant,
}

struct AtOnce;

impl Offload for AtOnce {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

impl World {
    pub(crate) fn new(hook: Hook) -> Self {
        Self::offloading(AtOnce, hook, |_| {})
    }

    /// A world with another way to do what blocks, and settings of its own.
    pub(crate) fn offloading(
        offload: impl Offload,
        mut hook: Hook,
        settle: impl FnOnce(&mut SessionConfig),
    ) -> Self {
        let endpoint = Endpoint::custom("http://model.test", Region::new("us-east-1").unwrap());
        let mut session = SessionConfig::new(endpoint.unwrap(), CredentialSource::Anonymous);
        session.limits.min_part = 100;
        settle(&mut session);
        let parts = Hub::open(ClientConfig::new(session), offload).unwrap();
        let mut config = ModelConfig::default();
        config.limits.min_part = 100;
        let mut model = Model::new(config);
        model.create_bucket("bucket");
        let hook: ModelHook = Box::new(move |_, sent, ask| hook(sent, ask));
        Self {
            hub: parts.hub,
            desk: parts.desk,
            peer: ModelPeer::new(model, hook),
            lost: None,
            exchanges: 0,
            now: Instant::ZERO,
        }
    }

    /// A world in which nothing goes wrong.
    pub(crate) fn calm() -> Self {
        Self::new(Box::new(|_, ask| ask()))
    }

    /// Runs `work` to its end, and the driver beside it.
    pub(crate) fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..10_000 {
            if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                return value;
            }
            self.step();
        }
        panic!("no end in sight");
    }

    /// Lets the driver work once, and its exchanges with it.
    pub(crate) fn step(&mut self) -> Standing {
        let mut tasks = Vec::new();
        let standing = self.desk.work(self.now, |task| tasks.push(task));
        match standing {
            Standing::Waits(Some(until)) if tasks.is_empty() => self.now = self.now.max(until),
            _ => {}
        }
        for task in tasks {
            let Task::Exchange(Assignment {
                attempt,
                work,
                report,
            }) = task
            else {
                panic!("nobody needs credentials here");
            };
            let number = self.exchanges;
            self.exchanges += 1;
            if self.lost != Some(number) {
                report.send(at_once(exchange(attempt, &work, &mut self.peer)));
            }
        }
        standing
    }

    pub(crate) fn stored(&self) -> Option<Vec<u8>> {
        let object = self.peer.model.object("bucket", "key")?;
        Some(object.data.to_vec())
    }

    pub(crate) fn uploads(&self) -> usize {
        self.peer.model.uploads().count()
    }
}

pub(crate) fn upload() -> Upload {
    let (bucket, key) = names();
    Upload {
        part_size: PART.try_into().ok(),
        ..Upload::new(bucket, key, Length::Unknown { equal_parts: true })
    }
}

pub(crate) fn download() -> Download {
    let (bucket, key) = names();
    Download {
        part_size: PART.try_into().ok(),
        ..Download::new(bucket, key)
    }
}

pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| u8::try_from(index * 31 % 251).unwrap())
        .collect()
}

fn names() -> (BucketName, ObjectKey) {
    let bucket = BucketName::new("bucket").unwrap();
    (bucket, ObjectKey::new("key").unwrap())
}

/// What never waits.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an exchange had to wait"),
    }
}

pub(crate) async fn exchange(attempt: Attempt, work: &Work, peer: &mut impl Peer) -> Outcome {
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => sendable,
        Ready::Hash(hashing) => match work.hash(hashing).await {
            Ok(sendable) => sendable,
            Err(outcome) => return outcome,
        },
    };
    let (head, content) = match sendable.request(WALL) {
        Ok(request) => request.into_parts(),
        Err(outcome) => return outcome,
    };
    let mut body = work.body(content);
    let mut bytes = Vec::new();
    while let Some(slice) = body.next().await {
        match slice {
            Ok(slice) => bytes.extend_from_slice(&slice),
            Err(error) => return sendable.on_source_error(error),
        }
    }
    let reply = peer.answer(Sent {
        method: head.method,
        target: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body: Bytes::from(bytes),
    });
    let (status, fields) = match &reply.head {
        Ok(head) => head,
        Err(kind) => return sendable.on_transport_error(*kind, Left::All, ""),
    };
    let answer = answer(*status, fields);
    let receiving = match sendable.on_head(&answer, Left::All, WALL) {
        Ok(receiving) => receiving,
        Err(outcome) => return outcome,
    };
    let mut intake = Intake::new(receiving, work);
    let mut end = End::Complete;
    for chunk in reply.body.iter().filter(|chunk| !chunk.is_empty()) {
        intake.ready().await.unwrap();
        if let Err(early) = intake.take(chunk, reply.pace) {
            end = early;
            break;
        }
    }
    intake.finish(&end).await
}

fn answer(status: u16, fields: &HeaderMap) -> http::response::Parts {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = http::StatusCode::from_u16(status).unwrap();
    head.headers = fields.clone();
    head
}

/// Both, at once.
pub(crate) async fn both<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    std::future::poll_fn(|cx| {
        if a.is_none()
            && let Poll::Ready(value) = first.as_mut().poll(cx)
        {
            a = Some(value);
        }
        if b.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(cx)
        {
            b = Some(value);
        }
        if a.is_some() && b.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (a.unwrap(), b.unwrap())
}
