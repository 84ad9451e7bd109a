//! Sources and sinks whose outside is away for a while are tried again, with pauses that grow, and go on where they stood.
//!
//! [`source`] opens a source anew, [`lookup`] what is asked; [`sink`] keeps what a sink could not take. A cause passes if it lies in the world and not in the data or in the options
//! ([`passes`]): a file or directory that is gone, a disk or network that fails. Everything else stops a source or sink at once, since it would fail again.

mod lookup;
mod sink;
mod source;

use std::time::Duration;

use laminar_core::time::length::Length;
use laminar_core::{Code, Error, Result};

use crate::Options;
use crate::options::invalid;

pub use lookup::{OpenLookup, RetryingLookup};
pub use sink::{OpenSink, RetryingSink};
pub use source::{OpenSource, RetryingSource};

/// The first pause; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause, unless the option says otherwise.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long it is tried, unless the option says otherwise.
const RETRY_FOR: Duration = Duration::from_secs(600);

/// How often and how long: the options `retry` and `retry_pause_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How long altogether; `None`: for ever.
    within: Option<Duration>,
    pause_max: Duration,
}

/// The options.
pub const OPTIONS: [&str; 2] = ["retry", "retry_pause_max"];

impl Retry {
    /// What is done where the options say nothing.
    pub const STANDARD: Retry = Retry { within: Some(RETRY_FOR), pause_max: PAUSE_MAX };

    /// Takes the options out; `None`: they are not there.
    pub fn take(options: &mut Options) -> Result<Option<Self>> {
        let is_said = options.names().any(|name| OPTIONS.contains(&name));
        let within = match options.take("retry").as_deref().map(str::trim) {
            None => Self::STANDARD.within,
            Some(text) if text.eq_ignore_ascii_case("never") => Some(Duration::ZERO),
            Some(text) if text.eq_ignore_ascii_case("forever") => None,
            Some(text) => {
                let wanted = "a duration such as '10 minutes', 'forever' or 'never'";
                Some(crate::options::parse_duration(text).ok_or_else(|| invalid("retry", text, wanted))?)
            }
        };
        let pause_max = options.take_duration("retry_pause_max")?.unwrap_or(PAUSE_MAX);
        if pause_max < PAUSE_MIN {
            return Err(invalid("retry_pause_max", &shown(pause_max), "at least 100 ms"));
        }
        Ok(is_said.then_some(Self { within, pause_max }))
    }

    /// How long to wait before attempt `attempt`, counted from 0, after `waited` altogether; `None`: it has been tried long enough.
    fn pause(self, attempt: u32, waited: Duration) -> Option<Duration> {
        let pause = PAUSE_MIN.saturating_mul(1 << attempt.min(20)).min(self.pause_max);
        match self.within {
            None => Some(pause),
            Some(within) if waited >= within => None,
            Some(within) => Some(pause.min(within - waited)),
        }
    }
}

/// Whether the cause of an error may be gone when the same is tried again.
pub fn passes(error: &Error) -> bool {
    matches!(error.code(), Code::Io | Code::DiskFull)
}

/// Why a source or sink waits, and since how many attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The cause.
    pub error: Error,
    /// How often it was tried again.
    pub attempts: u32,
}

/// The attempts since something was away.
#[derive(Debug)]
struct Attempts {
    retry: Retry,
    trouble: Option<Trouble>,
    waited: Duration,
}

impl Attempts {
    fn new(retry: Retry, trouble: Option<Trouble>) -> Self {
        Self { retry, trouble, waited: Duration::ZERO }
    }

    /// It is there again.
    fn end(&mut self) {
        (self.trouble, self.waited) = (None, Duration::ZERO);
    }

    /// It is away: how long to wait before it is tried again, or the error if that does not help.
    fn failed(&mut self, error: Error) -> Result<Duration> {
        let attempts = self.trouble.as_ref().map_or(0, |trouble| trouble.attempts);
        if !passes(&error) {
            return Err(error);
        }
        let Some(pause) = self.retry.pause(attempts, self.waited) else {
            return Err(if attempts == 0 {
                error
            } else {
                error.with_detail(format!("it was tried again {attempts} times within {} (retry)", shown(self.waited)))
            });
        };
        self.waited += pause;
        self.trouble = Some(Trouble { error, attempts: attempts + 1 });
        Ok(pause)
    }
}

fn shown(duration: Duration) -> String {
    Length::Nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)).to_string()
}
