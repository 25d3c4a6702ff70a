//! sans3-tokio
