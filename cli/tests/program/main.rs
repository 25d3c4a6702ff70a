//! The built program against the testkit's server.

#![cfg(unix)]

mod adversaries;
mod bench;
mod commands;
mod common;
mod copy;
mod failures;
mod proxies;
mod runtimes;
mod signals;
mod trace;
