use core::fmt;

use bytes::Bytes;

use crate::endpoint::Endpoint;
use crate::operation::{Answer, Operation, OperationKind, ResponseError};
use crate::request::Unsigned;

/// An operation whose type is forgotten, so that one kind of attempt carries them all.
pub(crate) trait ErasedOperation: fmt::Debug + Send + Sync {
    fn kind(&self) -> OperationKind;
    fn request(&self, endpoint: &Endpoint) -> Unsigned;
    fn payload(&self) -> Bytes;
    fn body_limit(&self) -> usize;
    fn parse(&self, head: &http::response::Parts, body: &[u8]) -> Result<Answer, ResponseError>;
}

impl<O: Operation> ErasedOperation for O {
    fn kind(&self) -> OperationKind {
        O::KIND
    }

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        Operation::request(self, endpoint)
    }

    fn payload(&self) -> Bytes {
        Operation::payload(self)
    }

    fn body_limit(&self) -> usize {
        O::BODY_LIMIT
    }

    fn parse(&self, head: &http::response::Parts, body: &[u8]) -> Result<Answer, ResponseError> {
        Operation::parse(self, head, body).map(O::into_answer)
    }
}
