//! What people, agents and programs read: output and messages, refusals, the board, tables,
//! phrases. The only writer; it knows no command.
//!
//! - [`output`], [mod@format], [`messages`]: an answer or a refusal becomes what is printed
//! - [`text`], [`columns`]: text that is safe to print, colours, times, rows on a terminal
//! - [`board`], [`table`], [`trouble`], [`short`]: the board of a sprint
//! - [`stop`], [`refusals`], [`phrases`], and of one area each [`advice`], [`attempts`], [`gate`],
//!   [`rounds`]: why a command did nothing, and what to do now
//! - [`waiting`]: what is said while a command waits

pub mod advice;
pub mod attempts;
pub mod board;
pub mod columns;
pub mod format;
pub mod gate;
pub mod messages;
pub mod output;
pub mod phrases;
pub mod refusals;
pub mod rounds;
pub mod short;
pub mod stop;
pub mod table;
pub mod text;
pub mod trouble;
pub mod waiting;

pub use format::Format;
pub use messages::Messages;
pub use output::{Answer, Printed, render};
