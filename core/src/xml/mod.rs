//! XML as S3 speaks it: a pull reader with limits, and a writer for the few documents that are sent.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
