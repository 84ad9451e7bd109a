//! How a reader of changes wants to read.

use laminar_core::StepId;

/// What happens when a reader does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowReader {
    /// The subscription ends with an error that says which steps it missed. No one else notices.
    #[default]
    Fail,
    /// The oldest changes are dropped, and counted in [`Subscription::dropped`](crate::Subscription::dropped).
    DropOldest,
    /// What feeds the object waits: pushes into it fail with [`Code::Backpressure`](crate::Code::Backpressure) after some time, and its
    /// connectors are not read. Nothing is lost.
    Block,
}

/// How to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Whether the current rows come first; `None`: if they are stored.
    pub snapshot: Option<bool>,
    /// Begin with the changes after this step, as far as the object's history reaches, and without its current rows.
    pub as_of_step: Option<StepId>,
    /// What happens when the reader does not keep up.
    pub slow_reader: SlowReader,
    /// Steps with changes that may wait for it, beside the bound of bytes (`SET subscription_memory`).
    pub capacity: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { snapshot: None, as_of_step: None, slow_reader: SlowReader::default(), capacity: usize::MAX }
    }
}
