//! How many credits a gate has, and what happens when there are none.

use super::gate::Use;
use crate::{Code, Error, Result};

/// What happens to a thing for which there is no credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverflowStrategy {
    /// The sending thread waits: nothing is lost.
    Block,
    /// It is dropped, and counted.
    DropNewest,
    /// The oldest one that waits is dropped in its place, and counted.
    DropOldest,
    /// The sender gets an error, and keeps it.
    Error,
}

#[expect(non_upper_case_globals, reason = "a second name of a variant, written as one")]
impl OverflowStrategy {
    /// The short name of [`DropNewest`](Self::DropNewest).
    pub const Drop: Self = Self::DropNewest;
}

/// How many credits a gate has, and when it counts as under pressure.
///
/// ```
/// use laminar_core::tpc::{BackpressureConfig, CreditGate, OverflowStrategy};
///
/// # fn main() -> laminar_core::Result<()> {
/// let config = BackpressureConfig::builder()
///     .exclusive_credits(2)
///     .floating_credits(2)
///     .high_watermark(0.75)
///     .low_watermark(0.25)
///     .overflow_strategy(OverflowStrategy::Error)
///     .build()?;
/// let gate = CreditGate::new(config);
/// assert!(gate.try_acquire(3) && gate.is_backpressured());
/// assert!(!gate.try_acquire(2), "only one is left");
/// gate.release(2);
/// assert!(!gate.is_backpressured());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BackpressureConfig {
    pub(super) exclusive_credits: usize,
    pub(super) floating_credits: usize,
    high_watermark: f64,
    low_watermark: f64,
    pub(super) overflow_strategy: OverflowStrategy,
}

impl BackpressureConfig {
    /// What [`builder`](Self::builder) starts from.
    pub const START: Self = Self {
        exclusive_credits: 4096,
        floating_credits: 4096,
        high_watermark: 0.8,
        low_watermark: 0.5,
        overflow_strategy: OverflowStrategy::Block,
    };

    /// Starts from 4096 exclusive and 4096 floating credits, pressure from 0.8 of them down to 0.5, and `Block`.
    pub fn builder() -> BackpressureConfigBuilder {
        BackpressureConfigBuilder(Self::START)
    }

    /// What happens to a thing for which there is no credit.
    pub fn overflow_strategy(&self) -> OverflowStrategy {
        self.overflow_strategy
    }

    /// All credits that one gate can have in use.
    pub fn credits(&self) -> usize {
        self.exclusive_credits + self.floating_credits
    }

    /// With so many credits in use, where it was `before`: between the two watermarks the pressure stays as it is.
    pub(super) fn judged(&self, credits: usize, before: Use) -> Use {
        let share = credits as f64 / self.credits() as f64;
        let stays = before.is_pressure && share > self.low_watermark;
        Use { credits, is_pressure: share >= self.high_watermark || stays }
    }

    fn check(&self) -> Result<()> {
        let invalid = |text: &str, hint: &str| Err(Error::new(Code::InvalidOption, text).with_hint(hint));
        if self.exclusive_credits == 0 {
            return invalid("a gate without exclusive credits", "give it at least 1, or others can keep it still for ever");
        }
        // They have to fit into a word beside the pressure.
        if self.exclusive_credits.checked_add(self.floating_credits).is_none_or(|credits| credits > usize::MAX >> 1) {
            return invalid("more credits than can be counted", "use fewer floating_credits");
        }
        let (low, high) = (self.low_watermark, self.high_watermark);
        if !(0.0 <= low && low < high && high <= 1.0) {
            let text = format!("pressure from {high} of the credits down to {low}");
            return invalid(&text, "use 0 <= low_watermark < high_watermark <= 1");
        }
        Ok(())
    }
}

/// Sets what differs from the start, see [`BackpressureConfig::builder`].
#[derive(Debug, Clone)]
pub struct BackpressureConfigBuilder(BackpressureConfig);

impl BackpressureConfigBuilder {
    /// Credits that are the gate's own, at least 1.
    #[must_use]
    pub fn exclusive_credits(mut self, credits: usize) -> Self {
        self.0.exclusive_credits = credits;
        self
    }

    /// Credits that all gates which share them have together.
    #[must_use]
    pub fn floating_credits(mut self, credits: usize) -> Self {
        self.0.floating_credits = credits;
        self
    }

    /// Share of the credits in use (0 to 1) from which on the gate is under pressure.
    #[must_use]
    pub fn high_watermark(mut self, share: f64) -> Self {
        self.0.high_watermark = share;
        self
    }

    /// Share of the credits in use (0 to 1) down to which it stays so.
    #[must_use]
    pub fn low_watermark(mut self, share: f64) -> Self {
        self.0.low_watermark = share;
        self
    }

    /// What happens to a thing for which there is no credit.
    #[must_use]
    pub fn overflow_strategy(mut self, strategy: OverflowStrategy) -> Self {
        self.0.overflow_strategy = strategy;
        self
    }

    /// Fails if there is no exclusive credit, or the watermarks are not `0 <= low < high <= 1`.
    pub fn build(self) -> Result<BackpressureConfig> {
        self.0.check()?;
        Ok(self.0)
    }
}
