//! `SET` and `RESET`.

use laminar_core::Result;
use laminar_sql::parse::SetVariable;

use super::StatementOutcome;
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, set: &SetVariable) -> Result<StatementOutcome> {
    let mut settings = engine.settings.clone();
    settings.set(&set.name.text, set.value.as_deref()).map_err(|error| error.at(set.value_span))?;
    engine.apply(settings).map_err(|error| error.at(set.value_span))?;
    let notices = if set.name.text == "memory_limit" { engine.notices_of_limit() } else { Vec::new() };
    Ok(StatementOutcome::Done { what: "SET".to_owned(), notices })
}
