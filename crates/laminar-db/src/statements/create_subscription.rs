//! `CREATE SUBSCRIPTION`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateSubscription, Name};

use super::{StatementOutcome, name_is_free};
use crate::catalog::{CatalogChange, Definition, Object, ObjectKind, kind_name};
use crate::engine::Engine;
use crate::settings::Retention;

pub(super) fn run(engine: &mut Engine, create: &CreateSubscription, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let bound = match &create.history {
        Some(option) => Retention::parse(&option.value).map_err(|error| error.at(option.span))?,
        None => Retention { bytes: Some(engine.settings.subscription_memory), ..Retention::default() },
    };
    let stored = has_history(engine, &create.object)?;
    if create.snapshot == Some(true) && !stored {
        let text = format!("'{}' is a stream, whose rows are not stored: there is no snapshot of it", create.object.text);
        return Err(Error::new(Code::InvalidQuery, text)
            .with_hint("leave the option out; or subscribe to a materialized view")
            .at(create.object.span));
    }
    let target = engine.subscription_target(&create.object.text).map_err(|error| error.at(create.object.span))?;
    let (id, snapshot) = (engine.catalog.next_id(), create.snapshot.unwrap_or(stored));
    engine.add_named_reader(id, &target, &create.object.text, (snapshot, bound))?;
    let notices = engine.notices_of_object(&create.object.text);
    engine.stage(CatalogChange::Create(Object {
        id,
        name: create.name.text.clone(),
        sql: text.to_owned(),
        depends_on: vec![target.object],
        late_to: None,
        definition: Definition::Subscription { snapshot },
    }));
    Ok(StatementOutcome::Done { what: format!("CREATE SUBSCRIPTION {}", create.name.text), notices })
}

/// Whether the rows of an object are stored. Fails if its changes are not kept by step across a restart.
fn has_history(engine: &Engine, name: &Name) -> Result<bool> {
    let refused = |what: &str| {
        let text = format!("'{}' is {what}: a subscription with a name reads a table, stream or materialized view", name.text);
        Error::new(Code::NotSupported, text)
            .with_hint(format!("CREATE STREAM changes AS SELECT * FROM {}, and subscribe to that", name.text))
            .at(name.span)
    };
    if engine.catalog.side(&name.text).is_some() {
        return Err(refused("what another object rejected"));
    }
    let object = engine.catalog.require(name)?;
    match object.kind() {
        ObjectKind::Table | ObjectKind::Stream | ObjectKind::MaterializedView => Ok(object.is_stored()),
        ObjectKind::Source | ObjectKind::View | ObjectKind::LookupTable => Err(refused(&format!("a {}", object.kind()))),
        ObjectKind::Sink | ObjectKind::Subscription | ObjectKind::Index => {
            let text = format!("{} '{}' has no changes of its own", kind_name(object.kind()).to_lowercase(), name.text);
            Err(Error::new(Code::InvalidQuery, text).with_hint("subscribe to what it reads").at(name.span))
        }
    }
}
