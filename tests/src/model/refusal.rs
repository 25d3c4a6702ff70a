//! Refusals: status, code and words, and the XML document that says them.

use super::response::Response;
use super::xml;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Further elements of the document.
    pub(crate) details: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    pub(crate) fn no_such_upload() -> Self {
        Self::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. It may have been aborted or completed.",
        )
    }

    pub(crate) fn precondition(condition: &str) -> Self {
        Self::new(
            412,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        )
        .detail("Condition", condition)
    }

    pub(crate) fn malformed_xml() -> Self {
        Self::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our schema",
        )
    }

    #[must_use]
    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_response(self, resource: &[u8], request_id: &str) -> Response {
        let mut response = Response::new(self.status);
        for (name, value) in &self.headers {
            response.set(name, value);
        }
        if self.status == 304 {
            return response;
        }
        let mut document = xml::Writer::new("Error");
        document.text("Code", self.code);
        document.text("Message", &self.message);
        for (name, value) in &self.details {
            document.text(name, value);
        }
        document.text("Resource", &String::from_utf8_lossy(resource));
        document.text("RequestId", request_id);
        document.text("HostId", request_id);
        response.xml(document);
        response
    }
}

/// An error document as S3 writes it, for faults that answer without the model.
pub(crate) fn error_document(code: &str, message: &str) -> String {
    let mut document = xml::Writer::new("Error");
    document.text("Code", code);
    document.text("Message", message);
    document.text("RequestId", "FAULT00000000000");
    document.finish()
}
