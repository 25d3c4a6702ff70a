//! Sessions that are recorded.

use core::num::{NonZeroU16, NonZeroU64};
use std::sync::{Arc, Mutex};

use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::error::TransportErrorKind;
use sans3_core::session::{CredentialSource, Session, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::trace::Record;
use sans3_core::transfer::{Download, Length, Order, Upload};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Sink, Source, config};
use sans3_testkit::model::{Model, ModelConfig};
use sans3_testkit::trace::to_lines;

pub(crate) const KEY_ID: &str = "CANARYKEYID";
pub(crate) const SECRET: &str = "canary-secret";
pub(crate) const TOKEN: &str = "canary-token";
/// What all payload here is made of.
pub(crate) const PAYLOAD: &str = "canary-payload-";

/// What is recorded, for later.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Vec<Record>>>);

impl Tape {
    pub(crate) fn session(&self, config: SessionConfig, seed: u64) -> Session {
        let records = Arc::clone(&self.0);
        Session::recorded(config, seed, move |record| {
            records.lock().unwrap().push(record);
        })
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    /// The trace, with its end.
    pub(crate) fn text(&self) -> String {
        let mut records = self.records();
        records.push(Record::End);
        to_lines(&records)
    }
}

/// Four exchanges at once, with static credentials.
pub(crate) fn signed() -> SessionConfig {
    let mut config = config();
    config.concurrency = NonZeroU16::MIN.saturating_add(3).into();
    config.limits.min_part = 1000;
    config.limits.max_put = 1000;
    config.credentials = CredentialSource::Static(Arc::new(credentials()));
    config
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(KEY_ID, SECRET, Some(TOKEN)).unwrap()
}

pub(crate) fn bucket() -> BucketName {
    BucketName::new("b").unwrap()
}

pub(crate) fn key() -> ObjectKey {
    ObjectKey::new("odd/% \u{e4}+key").unwrap()
}

pub(crate) fn download(order: Order) -> Download {
    Download {
        order,
        part_size: NonZeroU64::new(1000),
        ..Download::new(bucket(), ObjectKey::new("k").unwrap())
    }
}

pub(crate) fn upload(length: Length) -> Upload {
    let mut upload = Upload {
        part_size: NonZeroU64::new(1000),
        ..Upload::new(bucket(), key(), length)
    };
    upload.options = upload.options.with_content_type("text/plain").unwrap();
    upload.options.metadata.insert("colour", "a b").unwrap();
    upload
}

pub(crate) fn payload(len: usize) -> Vec<u8> {
    PAYLOAD.bytes().cycle().take(len).collect()
}

pub(crate) fn model() -> Model {
    let mut config = ModelConfig::default();
    config.limits.min_part = 1000;
    let mut model = Model::new(config);
    model.create_bucket("b");
    model.put("b", "k", payload(5_500));
    model
}

/// Answers as the model does, but for every third request: it is refused, or its answer is lost.
pub(crate) fn moody() -> ModelPeer<impl FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply> {
    ModelPeer::new(model(), |number, _, ask| match number % 6 {
        2 => Reply::new(503, &[], "<Error><Code>SlowDown</Code></Error>"),
        5 => {
            let _ = ask();
            Reply::broken(TransportErrorKind::Closed)
        }
        _ => ask(),
    })
}

/// A recorded download and two uploads, of which much goes wrong on the way.
pub(crate) fn eventful(seed: u64) -> Tape {
    let tape = Tape::default();
    let mut rig = Rig::new(signed(), moody());
    rig.session = tape.session(signed(), seed);
    let (result, sink) = rig.download(download(Order::InOrder), Sink::in_order());
    assert_eq!(result.unwrap().size, 5_500);
    assert!(sink.bytes == payload(5_500));
    const SIZE: usize = 3_005;
    for length in [
        Length::Known(SIZE as u64),
        Length::Unknown { equal_parts: false },
    ] {
        let made = rig.upload(upload(length), Source::new(payload(SIZE)));
        assert_eq!(made.unwrap().size, SIZE as u64);
    }
    tape
}
