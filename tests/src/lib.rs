//! sans3-testkit
