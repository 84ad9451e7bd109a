//! `CREATE SINK`.

use laminar_connectors::{Accepts, SinkRequest};
use laminar_core::dag::EdgeProperties;
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{CreateSink, SinkInput};
use laminar_sql::plan::Purpose;

use super::create_query::refuse_late_to;
use super::{Outcome, name_is_free};
use crate::catalog::{Body, Object};
use crate::engine::{Engine, SinkHandle, options_of};

/// What a sink listens to.
struct Input {
    node: NodeId,
    properties: EdgeProperties,
    depends_on: Vec<String>,
    /// Whether the input has rows already, which are then written first.
    stored: bool,
    /// Nodes that exist for this sink alone.
    own: Vec<NodeId>,
}

pub(super) fn run(engine: &mut Engine, create: &CreateSink, text: &str) -> Result<Outcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    let name = create.name.text.clone();
    let input = input(engine, create, text)?;
    let connected = connect(engine, create, &input);
    let (handle, outlet) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            if !input.own.is_empty() {
                engine.detach(&name, &input.own)?;
            }
            return Err(error);
        }
    };
    engine.catalog.insert(Object {
        name,
        sql: text.to_owned(),
        depends_on: input.depends_on,
        nodes: input.own,
        body: Body::Sink { outlet, handle },
    });
    Ok(Outcome::Done(format!("CREATE SINK {}", create.name.text)))
}

fn input(engine: &mut Engine, create: &CreateSink, text: &str) -> Result<Input> {
    let query = match &create.input {
        SinkInput::Query(query) => query,
        SinkInput::Object(name) => {
            engine.catalog.require(name)?;
            engine.ensure_reader(&name.text)?;
            let object = engine.catalog.require(name)?;
            let Some((node, properties)) = object.output().zip(object.properties().cloned()) else {
                return Err(Error::new(Code::InvalidQuery, format!("'{}' has no rows of its own", name.text))
                    .with_hint(format!("write CREATE SINK {} AS SELECT * FROM {} INTO …", create.name.text, name.text))
                    .at(name.span));
            };
            let (stored, depends_on) = (object.is_stored(), vec![name.text.clone()]);
            return Ok(Input { node, properties, depends_on, stored, own: Vec::new() });
        }
    };
    refuse_late_to(query)?;
    let attached = engine.attach_query(&create.name.text, query, text, Purpose::Stream)?;
    let fragment = attached.fragment;
    let own = fragment.nodes.iter().map(|node| node.id).collect();
    Ok(Input { node: fragment.root, properties: fragment.properties, depends_on: attached.depends_on, stored: false, own })
}

fn connect(engine: &mut Engine, create: &CreateSink, input: &Input) -> Result<(SinkHandle, laminar_core::dag::OutletId)> {
    let connector = engine.registry.get(&create.connector.name).map_err(|error| error.at(create.connector.name_span))?;
    let request = SinkRequest {
        name: create.name.text.clone(),
        schema: input.properties.schema.clone(),
        changes: input.properties.changes.clone(),
        options: options_of(&create.connector),
    };
    let place = |error: Error| if error.span().is_some() { error } else { error.at(create.connector.span) };
    match connector.sink_accepts(&request).map_err(place)? {
        None => {
            return Err(Error::new(Code::NotSupported, format!("the connector '{}' has no sinks", create.connector.name))
                .at(create.connector.name_span));
        }
        Some(Accepts::AppendOnly) if !input.properties.changes.is_append() => return Err(not_append_only(create)),
        Some(_) => {}
    }
    let handle = SinkHandle::new(connector.open_sink(request).map_err(place)?);
    let outlet = engine.reactor.subscribe(input.node, handle.outlet(), input.stored)?;
    engine.readers.want(input.node);
    engine.settle()?;
    Ok((handle, outlet))
}

fn not_append_only(create: &CreateSink) -> Error {
    let what = match &create.input {
        SinkInput::Object(name) => format!("'{}'", name.text),
        SinkInput::Query(_) => "its query".to_owned(),
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
