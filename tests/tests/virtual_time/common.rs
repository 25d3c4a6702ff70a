//! What the tests in virtual time share.

use core::num::{NonZeroU16, NonZeroU64};

use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::session::SessionConfig;
use sans3_core::transfer::{Download, Length, Order, Upload};
use sans3_testkit::drive::{ModelPeer, Reply, Sent, Sink, config};
use sans3_testkit::model::{Model, ModelConfig};

/// A session with ranges of 1 MiB in mind: four at once.
pub(crate) fn small() -> SessionConfig {
    let mut small = config();
    small.concurrency = NonZeroU16::MIN.saturating_add(3).into();
    small
}

/// The object `b/k` in parts of 1 MiB.
pub(crate) fn download(order: Order) -> Download {
    Download {
        order,
        part_size: NonZeroU64::new(1 << 20),
        ..Download::new(bucket(), ObjectKey::new("k").unwrap())
    }
}

/// An upload to `b/up` in parts of 5 MiB.
pub(crate) fn upload(length: Length) -> Upload {
    Upload {
        part_size: NonZeroU64::new(5 << 20),
        ..Upload::new(bucket(), ObjectKey::new("up").unwrap(), length)
    }
}

pub(crate) fn bucket() -> BucketName {
    BucketName::new("b").unwrap()
}

pub(crate) fn sink_for(order: Order) -> Sink {
    match order {
        Order::Random => Sink::random(),
        Order::InOrder => Sink::in_order(),
    }
}

/// A model with the bucket `b` and the object `k`.
pub(crate) fn model_with(bytes: &[u8]) -> Model {
    let mut model = Model::new(ModelConfig::default());
    model.create_bucket("b");
    model.put("b", "k", bytes.to_vec());
    model
}

/// A peer that answers as the model does.
pub(crate) fn honest(
    model: Model,
) -> ModelPeer<impl FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply> {
    ModelPeer::new(model, |_, _, ask| ask())
}

/// Bytes without a pattern that a shift could hide.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = sans3_core::rng::Rng::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
