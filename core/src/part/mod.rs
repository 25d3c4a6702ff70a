//! The parts of a multipart upload: how many, how large, where.

mod limits;
mod number;
mod plan;
mod schedule;

pub use limits::Limits;
pub use number::PartNumber;
pub use plan::{PartPlan, PartSpec};
pub use schedule::PartSchedule;

/// One mebibyte: part sizes are rounded up to it where they had to grow.
const MIB: u64 = 1 << 20;
