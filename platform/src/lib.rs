//! sans3-platform
