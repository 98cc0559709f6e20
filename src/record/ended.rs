//! What is left of a claim that ended without a completion.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Claim, Maker, Process, Rest, Token, lenient};

/// An attempt at a phase that ended without a completion.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Version of the writer.
    #[serde(default, deserialize_with = "lenient")]
    pub v: u32,
    /// Whose it was; empty if it cannot be known.
    #[serde(default, deserialize_with = "lenient")]
    pub agent: String,
    /// When the phase was claimed, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When the claim ended, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended: `abort`, `reclaim` (another took it over) or `unstuck`.
    #[serde(default, deserialize_with = "lenient")]
    pub how: String,
    /// Why, in the words of who ended it; may be empty.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who ended it.
    #[serde(default, deserialize_with = "lenient")]
    pub by: String,
    /// Whether its owner's name was given rather than detected.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub explicit: bool,
    /// The owner's session id, when one was detected.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether that names the owner itself.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "std::ops::Not::not")]
    pub stable: bool,
    /// The owner's process.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The worktree it was claimed from (absolute path).
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// Short name of the branch that was checked out there.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that was checked out there when the phase was claimed, in hexadecimal.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Attempt {
    /// The claim that ended, as far as this record tells of it.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim {
            v: self.v,
            agent: self.agent.clone(),
            claimed_at: self.claimed_at,
            explicit: self.explicit,
            session: self.session.clone(),
            stable: self.stable,
            process: self.process.clone(),
            ..Claim::default()
        }
    }
}

/// `past/due.<T>`: what the owner T of an ended claim had not committed is to be saved. It goes
/// when that has been done, or tried and told of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Due {
    /// Version of the writer.
    #[serde(default, deserialize_with = "lenient")]
    pub v: u32,
    /// The claim that was ended.
    #[serde(default, deserialize_with = "lenient")]
    pub claim: Claim,
    /// Who ended it, and is to save it.
    #[serde(default, deserialize_with = "lenient")]
    pub by: String,
    /// The command that does so.
    #[serde(default, deserialize_with = "lenient")]
    pub maker: Maker,
    /// A name that no other command has.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub unique: Option<Token>,
    /// Since when, in UTC.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub rest: Rest,
}
