//! Transfers against the model, in virtual time.

mod adversary_download;
mod adversary_session;
mod adversary_upload;
mod common;
mod pace;
mod regressions;
mod trailers;
mod transfers;
