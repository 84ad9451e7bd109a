//! `SUBSCRIBE`.

use laminar_core::panics::caught;
use laminar_core::{Code, Error, NodeId, Result, StepId};
use laminar_sql::parse::{ParsedStatement, Statement, StreamQuery, Subscribe, SubscribeInput, parse_script};
use laminar_sql::plan::Purpose;
use laminar_sql::with_deep_stack;

use super::StatementOutcome;
use super::create_query::{refuse_late_to, shows_latest_only};
use crate::catalog::{ObjectId, objects_in};
use crate::history::Description;
use crate::{Database, SubscribeOptions, Subscription};

pub(super) fn run(database: &Database, subscribe: &Subscribe, text: &str) -> Result<StatementOutcome> {
    if subscribe.as_of_step.is_some() && subscribe.snapshot == Some(true) {
        return Err(Error::new(
            Code::InvalidQuery,
            "a subscription that goes on after a step does not begin with the current rows",
        )
        .with_hint("leave out WITH (snapshot) or AS OF STEP"));
    }
    let as_of_step = subscribe.as_of_step.map(StepId);
    let options = SubscribeOptions { snapshot: subscribe.snapshot, as_of_step, ..SubscribeOptions::default() };
    let subscription = match &subscribe.input {
        SubscribeInput::Object(name) => to_object(database, &name.text, options).map_err(|error| error.at(name.span))?,
        SubscribeInput::Query(query) => to_query(database, "query", query, text, options)?,
    };
    Ok(StatementOutcome::Subscription(subscription))
}

/// Subscribes to an object by name, or to a query by its text.
pub(crate) fn subscribe_to_text(database: &Database, text: &str, options: SubscribeOptions) -> Result<Subscription> {
    let is_object = {
        let engine = database.lock();
        engine.catalog.get(text).is_some()
            || engine.catalog.side(text).is_some_and(|side| engine.side_outputs.schema(side).is_some())
    };
    if is_object {
        return to_object(database, text, options);
    }
    if !text.contains(char::is_whitespace) {
        return Err(database.lock().catalog.unknown(text));
    }
    let mut statements = parse_script(text);
    let parsed = if statements.len() == 1 { statements.pop() } else { None };
    match parsed.transpose()? {
        Some(ParsedStatement { statement: Statement::Select(query), text, .. }) => {
            with_deep_stack(|| caught(|| to_query(database, "query", &query, &text, options)))
        }
        _ => Err(Error::new(Code::InvalidQuery, "subscribe takes the name of an object or one SELECT")),
    }
}

fn to_object(database: &Database, name: &str, options: SubscribeOptions) -> Result<Subscription> {
    let engine = &mut database.lock();
    let (target, reading) = engine.all_or_nothing(|engine| {
        let target = engine.subscription_target(name)?;
        let reading = engine.read_changes(&target, name, &options)?;
        engine.settle().map(|()| (target, reading))
    })?;
    let (schema, notices) = (target.properties.schema.clone(), engine.notices_of_object(name));
    let mut subscription = Subscription::new(name.to_owned(), schema, target.description, database.clone());
    subscription.reads(reading, vec![target.object], notices);
    Ok(subscription)
}

/// Runs a query for one subscription; its nodes go when the subscription goes.
pub(super) fn to_query(
    database: &Database,
    name: &str,
    query: &StreamQuery,
    text: &str,
    options: SubscribeOptions,
) -> Result<Subscription> {
    refuse_late_to(query)?;
    let engine = &mut database.lock();
    // Rows that a stored input already has come as the first changes.
    let stored =
        objects_in(query, &engine.catalog).iter().all(|id| engine.catalog.object(*id).is_some_and(|object| object.keeps_rows()));
    if stored && options.snapshot == Some(false) {
        return Err(Error::new(Code::NotSupported, "a subscription to a query without its snapshot is not built yet")
            .with_hint("subscribe to a materialized view of that query"));
    }
    if options.as_of_step.is_some() {
        return Err(Error::new(Code::NotSupported, "AS OF STEP of a query: only objects keep their past steps")
            .with_hint("CREATE MATERIALIZED VIEW v WITH (history = '100000 steps') AS …, then SUBSCRIBE v AS OF STEP n"));
    }
    let (attached, reading) = engine.all_or_nothing(|engine| {
        let attached = engine.lowered(name, query, text, Purpose::Stream)?;
        let (nodes, root) = (attached.fragment.nodes.clone(), attached.fragment.root);
        let own_nodes: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        engine.attach_nodes(ObjectId::UNNAMED, nodes)?;
        let reading = engine.read_query(root, own_nodes, attached.depends_on.clone(), &options)?;
        engine.settle().map(|()| (attached, reading))
    })?;
    let properties = attached.fragment.properties;
    let description = Description { kind: properties.changes, latest_only: shows_latest_only(query) };
    let mut subscription = Subscription::new(name.to_owned(), properties.schema, description, database.clone());
    subscription.reads(reading, attached.depends_on, engine.notices_of_query(query));
    Ok(subscription)
}
