//! Integration tests.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod checkout;
mod identity;
mod places;
mod sandbox;
mod settings;
