//! Traces of sessions in virtual time: replayed, cut, bent and looked through for secrets.

mod common;
mod damage;
mod faithful;
mod program;
