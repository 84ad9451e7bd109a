//! `CREATE SINK`.

use std::sync::Arc;

use arrow_schema::Schema;
use laminar_connectors::files::FileSet;
use laminar_connectors::{Accepts, SinkRequest};
use laminar_core::dag::{EdgeProperties, OutletId};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{CreateSink, Name, SinkInput, StreamQuery};
use laminar_sql::plan::Purpose;

use super::create_query::late_target;
use super::{StatementOutcome, name_is_free};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId};
use crate::engine::{Done, Engine, Files, Instance, Parts, SinkHandle, SubscriptionTarget, append_sink_request};

/// What a sink listens to.
enum Input {
    /// An object, or what it rejected.
    Object(SubscriptionTarget),
    /// The nodes of a query that exist for this sink alone.
    Query { root: NodeId, properties: EdgeProperties, depends_on: Vec<ObjectId>, nodes: Vec<NodeId> },
}

pub(super) fn run(engine: &mut Engine, create: &CreateSink, text: &str) -> Result<StatementOutcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let files = engine.files_to_write(&create.connector)?;
    let (input, late_to) = match &create.input {
        SinkInput::LateRows => return for_late_rows(engine, create, text, files),
        SinkInput::Object(name) => (target(engine, create, name)?, None),
        SinkInput::Query(query) => (attached(engine, create, query, text)?, late_target(engine, query)?),
    };
    let (handle, outlet) = connect(engine, create, &input)?;
    let notices = match &create.input {
        SinkInput::Object(name) => engine.notices_of_object(&name.text),
        SinkInput::Query(query) => engine.notices_of_query(query),
        SinkInput::LateRows => Vec::new(),
    };
    let (depends_on, nodes) = match input {
        Input::Object(target) => (vec![target.object], Vec::new()),
        Input::Query { depends_on, nodes, .. } => (depends_on, nodes),
    };
    let id = engine.catalog.next_id();
    let instance = Instance::new(nodes, Parts::Sink { outlet, handle });
    engine.run_instance(id, instance.with_files(Files::Written(files)))?;
    engine.declare_sides(id, None)?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name: create.name.text.clone(),
        sql: text.to_owned(),
        depends_on,
        late_to,
        definition: Definition::Sink { connector: create.connector.clone() },
    }));
    Ok(StatementOutcome::Done { what: format!("CREATE SINK {}", create.name.text), notices })
}

/// A sink without an input of its own: who says `LATE DATA TO` it writes into it, and the first of them settles its columns.
fn for_late_rows(engine: &mut Engine, create: &CreateSink, text: &str, files: FileSet) -> Result<StatementOutcome> {
    let (name, connector) = (create.name.text.clone(), create.connector.clone());
    // Opening it now, with no columns, finds a wrong option where the user can see it; nothing is written before the first row. What was there
    // before must not be touched when the statement is said again.
    if !engine.journal.is_recovering() {
        let request = append_sink_request(&name, &connector, Arc::new(Schema::empty()));
        engine.sink_accepts(&connector, &request)?;
        engine.open_sink(&connector, request)?;
    }
    let id = engine.catalog.next_id();
    let instance = Instance::new(Vec::new(), Parts::LateSink(None));
    engine.run_instance(id, instance.with_files(Files::Written(files)))?;
    engine.declare_sides(id, None)?;
    let definition = Definition::LateSink { connector, columns: None };
    let object = Object { id, name, sql: text.to_owned(), depends_on: Vec::new(), late_to: None, definition };
    engine.stage(CatalogChange::Create(object));
    Ok(StatementOutcome::done(format!("CREATE SINK {} (it waits for a query with LATE DATA TO {0})", create.name.text)))
}

fn target(engine: &mut Engine, create: &CreateSink, name: &Name) -> Result<Input> {
    if let Some(object) = engine.catalog.get(&name.text)
        && object.properties().is_none()
    {
        return Err(Error::new(Code::InvalidQuery, format!("'{}' has no rows of its own", name.text))
            .with_hint(format!("write CREATE SINK {} AS SELECT * FROM {} INTO …", create.name.text, name.text))
            .at(name.span));
    }
    let target = engine.subscription_target(&name.text).map_err(|error| error.at(name.span))?;
    engine.refuse_ended(target.node).map_err(|error| error.at(name.span))?;
    Ok(Input::Object(target))
}

fn attached(engine: &mut Engine, create: &CreateSink, query: &StreamQuery, text: &str) -> Result<Input> {
    let attached = engine.attach_query((engine.catalog.next_id(), &create.name.text), query, text, Purpose::Stream)?;
    let fragment = attached.fragment;
    let nodes = fragment.nodes.iter().map(|node| node.id).collect();
    Ok(Input::Query { root: fragment.root, properties: fragment.properties, depends_on: attached.depends_on, nodes })
}

fn connect(engine: &mut Engine, create: &CreateSink, input: &Input) -> Result<(SinkHandle, OutletId)> {
    let properties = match input {
        Input::Object(target) => &target.properties,
        Input::Query { properties, .. } => properties,
    };
    let request = SinkRequest {
        changes: properties.changes.clone(),
        ..append_sink_request(&create.name.text, &create.connector, properties.schema.clone())
    };
    if engine.sink_accepts(&create.connector, &request)? == Accepts::AppendOnly && !properties.changes.is_append() {
        return Err(not_append_only(create));
    }
    let handle = engine.open_sink_as_recorded(engine.catalog.next_id(), &create.connector, request)?;
    let outlet = match input {
        Input::Object(target) => engine.listen(target, handle.outlet(), target.stored)?,
        Input::Query { root, .. } => engine.reactor.subscribe(*root, handle.outlet(), false)?,
    };
    engine.note(Done::Listens(outlet))?;
    engine.settle()?;
    Ok((handle, outlet))
}

fn not_append_only(create: &CreateSink) -> Error {
    let what = match &create.input {
        SinkInput::Object(name) => format!("'{}'", name.text),
        SinkInput::Query(_) | SinkInput::LateRows => "its query".to_owned(),
    };
    Error::new(
        Code::NotAppendOnly,
        format!("this sink can only append rows, but {what} also changes rows that it has emitted before"),
    )
    .with_hint(
        "windows: EMIT ON WINDOW CLOSE shows each result once; other queries: EMIT FINAL at the end of bounded input; \
         to see every change, write changelog = 'true' among the sink's options",
    )
    .at(create.connector.span)
}
