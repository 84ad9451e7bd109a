//! `FETCH`, `ACK` and `SHOW SUBSCRIPTIONS`: what readers with a name are given, and what they say to it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::{Acknowledge, Fetch};

use super::{StatementOutcome, text_rows};
use crate::catalog::ObjectKind;
use crate::engine::{Engine, NamedSubscription};
use crate::history::{NamedStatus, schema_with_operations};
use crate::{Database, Notice, Rows};

/// Gives a reader what it has not acknowledged. Without ACK the next FETCH gives the same again.
pub(super) fn fetch(database: &Database, fetch: &Fetch) -> Result<StatementOutcome> {
    let given = match begun(database, fetch)? {
        Given::Steps(given) => given,
        Given::NeedsCheckpoint => {
            database.checkpoint()?;
            match begun(database, fetch)? {
                Given::Steps(given) => given,
                // What came meanwhile is for the next FETCH.
                Given::NeedsCheckpoint | Given::Snapshot(_) => Vec::new(),
            }
        }
        Given::Snapshot(given) => {
            database.checkpoint()?;
            given
        }
    };
    answer(&database.lock(), fetch, given)
}

type Steps = Vec<(StepId, ChangeBatch)>;

/// What can be given to a reader.
enum Given {
    Steps(Steps),
    /// The rows with which it begins, once a checkpoint holds their step.
    Snapshot(Steps),
    /// Nothing before a checkpoint holds what there is.
    NeedsCheckpoint,
}

fn begun(database: &Database, fetch: &Fetch) -> Result<Given> {
    let engine = &mut database.lock();
    // What was pushed before belongs to the answer.
    engine.settle()?;
    let subscription = engine.named_subscription(&fetch.subscription)?;
    engine.refuse_lost(&subscription).map_err(|error| error.at(fetch.subscription.span))?;
    let last = engine.last_step_to_give();
    let place = subscription.history.place_of(subscription.id);
    if place.acknowledged.is_none() {
        let (step, rows) = engine.begin_with_rows(&subscription)?;
        let given = rows.map(|rows| (step, rows)).into_iter().collect();
        return Ok(if step > last { Given::Snapshot(given) } else { Given::Steps(given) });
    }
    let fetched = subscription.history.fetch(subscription.id, fetch.rows, last)?;
    Ok(if fetched.steps.is_empty() && fetched.more_later { Given::NeedsCheckpoint } else { Given::Steps(fetched.steps) })
}

fn answer(engine: &Engine, fetch: &Fetch, given: Steps) -> Result<StatementOutcome> {
    let subscription = engine.named_subscription(&fetch.subscription)?;
    let name = engine.catalog.name_of(subscription.object).to_owned();
    let (schema, description) = engine.told_as(subscription.object)?;
    let schema = schema_with_operations(&schema);
    let told = given.into_iter().map(|(step, changes)| {
        let rows = description.of(step, changes)?.with_operations()?;
        Ok(RecordBatch::try_new(Arc::clone(&schema), rows.columns().to_vec())?)
    });
    let batches = told.collect::<Result<Vec<_>>>()?;
    let notices: Vec<Notice> = engine.notices_of_object(&name);
    Ok(StatementOutcome::Rows(Rows { schema, batches, notices }))
}

/// Says that a reader has what it was given.
pub(super) fn acknowledge(engine: &mut Engine, acknowledge: &Acknowledge) -> Result<StatementOutcome> {
    let name = &acknowledge.subscription;
    let subscription = engine.named_subscription(name)?;
    engine.refuse_lost(&subscription).map_err(|error| error.at(name.span))?;
    let step = match acknowledge.through {
        Some(step) => StepId(step),
        None => subscription.history.fetched(subscription.id).ok_or_else(|| {
            Error::new(Code::InvalidQuery, format!("nothing has been fetched from '{}' since the database was opened", name.text))
                .with_hint("FETCH first; or say which step was read last: ACK … THROUGH STEP n")
                .at(name.span)
        })?,
    };
    refuse_unread(engine, &subscription, step)
        .map_err(|error| error.at(if acknowledge.through.is_some() { acknowledge.through_span } else { name.span }))?;
    if subscription.history.place_of(subscription.id).acknowledged.is_some_and(|before| step <= before) {
        return Ok(StatementOutcome::Skipped(format!("step {} of '{}' is acknowledged already", step.0, name.text)));
    }
    engine.acknowledge(&subscription, step)?;
    Ok(StatementOutcome::done(format!("ACK {} THROUGH STEP {}", name.text, step.0)))
}

/// A step that the reader cannot have been given would leave a gap.
fn refuse_unread(engine: &Engine, subscription: &NamedSubscription, step: StepId) -> Result<()> {
    let last = engine.last_step_to_give();
    let name = engine.catalog.name_of(subscription.id);
    if step > last {
        let text =
            format!("step {} of '{name}' has not been given to a reader yet: the last one that can be is {}", step.0, last.0);
        return Err(Error::new(Code::InvalidQuery, text).with_hint("acknowledge what FETCH has shown in its column step"));
    }
    let place = subscription.history.place_of(subscription.id);
    if place.acknowledged.is_none() && place.snapshot_at.is_none_or(|snapshot| step < snapshot) {
        let text = format!("the rows with which '{name}' begins have to be fetched first, as of a step behind {}", step.0);
        return Err(Error::new(Code::InvalidQuery, text).with_hint("FETCH, then ACK: until then each FETCH gives the rows anew"));
    }
    Ok(())
}

/// What `SHOW SUBSCRIPTIONS` says.
const SUBSCRIPTIONS: [&str; 9] =
    ["name", "object", "acknowledged", "newest", "steps_waiting", "rows_waiting", "bytes_waiting", "bound", "state"];

pub(super) fn show(engine: &Engine) -> Result<StatementOutcome> {
    let subscriptions = engine.catalog.iter().filter(|object| object.kind() == ObjectKind::Subscription);
    let row = |object| {
        let subscription = engine.subscription_of(object)?;
        let status = subscription.history.status_of(subscription.id)?;
        let text = |step: Option<StepId>| step.map(|step| step.0.to_string()).unwrap_or_default();
        Some(vec![
            object.name.clone(),
            engine.catalog.name_of(subscription.object).to_owned(),
            text(status.place.acknowledged),
            text(status.newest.or(status.place.acknowledged).or(status.place.snapshot_at)),
            status.steps.to_string(),
            status.rows.to_string(),
            status.bytes.to_string(),
            status.bound.clone(),
            state_of(&status),
        ])
    };
    text_rows(&SUBSCRIPTIONS, subscriptions.filter_map(row).collect())
}

/// Where a reader stands, in words.
fn state_of(status: &NamedStatus) -> String {
    let place = &status.place;
    match (place.lost, place.acknowledged, place.snapshot_at) {
        (Some((from, to)), ..) => format!("lost: steps {} to {} are not kept any more", from.0, to.0),
        (None, Some(_), _) => "reading".to_owned(),
        (None, None, Some(step)) => format!("begins with the rows of step {}, not acknowledged", step.0),
        (None, None, None) => "begins with the rows that there are".to_owned(),
    }
}
