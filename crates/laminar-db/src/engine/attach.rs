//! Puts continuous queries into the running graph and takes them out again.

use laminar_connectors::{Options, Source, SourceRequest};
use laminar_core::dag::{Node, NodeKind, NodeStatus};
use laminar_core::time::watermark::{WatermarkPer, WatermarkSpec};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::lower::{Fragment, lower};
use laminar_sql::parse::{ConnectorDef, StreamQuery};
use laminar_sql::plan::{ContinuousPlan, Purpose};

use super::readers::Reader;
use super::side_outputs::LateColumns;
use super::{Done, Engine};
use crate::catalog::{Body, Object, Once, PlannerCatalog, SourceBody, inputs_in, objects_in, sides_in};
use crate::statements::refuse_repeated_names;

/// A continuous query that runs.
pub(crate) struct Attached {
    pub(crate) fragment: Fragment,
    /// The objects that it reads from directly.
    pub(crate) depends_on: Vec<String>,
}

impl Engine {
    /// The plan of a continuous query, every source of it ready to be read.
    pub(crate) fn plan(&mut self, query: &StreamQuery, text: &str, purpose: Purpose) -> Result<(ContinuousPlan, Vec<String>)> {
        self.ensure_inputs(query)?;
        let relations = PlannerCatalog::new(&self.catalog, &self.side_outputs, &self.planner);
        let planned = self.planner.plan_continuous(query, purpose, text, &relations);
        Ok((relations.checked(planned)?, inputs_in(query, &self.catalog)))
    }

    /// Makes everything that `query` names ready to be read.
    pub(crate) fn ensure_inputs(&mut self, query: &StreamQuery) -> Result<()> {
        let named = objects_in(query, &self.catalog);
        let direct = self.catalog.with_inlined(&named);
        for name in self.catalog.with_inputs(&named) {
            // What stands between has its reader; of a pipe there is no other.
            if direct.contains(&name) || !self.is_read_once(&name) {
                self.ensure_reader(&name)?;
            }
        }
        for side in sides_in(query, &self.catalog) {
            self.ensure_side(&side)?;
        }
        Ok(())
    }

    /// The nodes of a continuous query, not yet attached: what `EXPLAIN GRAPH` shows.
    pub(crate) fn lowered(&mut self, name: &str, query: &StreamQuery, text: &str, purpose: Purpose) -> Result<Attached> {
        let (plan, depends_on) = self.plan(query, text, purpose)?;
        let fragment = lower(&plan, name, self.next_node())?;
        Ok(Attached { fragment, depends_on })
    }

    /// Runs a continuous query under the name of its object.
    pub(crate) fn attach_query(&mut self, name: &str, query: &StreamQuery, text: &str, purpose: Purpose) -> Result<Attached> {
        let attached = self.lowered(name, query, text, purpose)?;
        attached.fragment.reads.iter().try_for_each(|node| self.refuse_ended(*node))?;
        refuse_repeated_names(&attached.fragment.properties.schema, query)?;
        let nodes = &attached.fragment.nodes;
        let late = self.late_columns(nodes);
        let target = match (&query.late_to, &late) {
            (Some(target), Some(late)) => Some(self.fit_target(target, late.schema(), &attached.depends_on)?),
            _ => None,
        };
        self.attach_nodes(nodes.clone())?;
        self.declare_sides(name, late)?;
        if let Some(target) = target {
            self.connect_target(name, target)?;
        }
        self.settle()?;
        Ok(attached)
    }

    /// Refuses to read from a stream or source that has ended and keeps nothing: whatever its rows were, a reader would get none.
    pub(crate) fn refuse_ended(&self, node: NodeId) -> Result<()> {
        if !self.reactor.graph().status(node).is_ok_and(|status| status == NodeStatus::Ended) {
            return Ok(());
        }
        let Some(object) = self.catalog.iter().find(|object| object.nodes.contains(&node)) else { return Ok(()) };
        let (kind, hint) = match &object.body {
            Body::Source(_) => ("source", "create what reads from it before it is read, or keep its rows in a MATERIALIZED VIEW"),
            Body::Query { stored: false, .. } => {
                ("stream", "create what reads from it before it ends, or make it a VIEW or a MATERIALIZED VIEW")
            }
            _ => return Ok(()),
        };
        let message = format!("{kind} '{}' has ended, and its rows are not kept: nothing would come out of it", object.name);
        Err(Error::new(Code::Closed, message).with_hint(hint))
    }

    pub(crate) fn attach_nodes(&mut self, nodes: Vec<Node>) -> Result<()> {
        let next = nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or(self.next_node);
        let inputs: Vec<NodeId> = nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
        let attached = nodes.iter().map(|node| node.id).collect();
        self.reactor.attach(nodes)?;
        self.next_node = next;
        self.note(Done::Attached(attached))?;
        inputs.into_iter().try_for_each(|input| self.want(input))
    }

    /// The columns of late rows: those that rows have where they meet the first window of `nodes`, if there is one.
    fn late_columns(&self, nodes: &[Node]) -> Option<LateColumns> {
        let windowed = |node: &&Node| matches!(node.kind, NodeKind::Window(_) | NodeKind::Session(_) | NodeKind::AssignWindow(_));
        let input = *nodes.iter().find(windowed)?.inputs.first()?;
        let own = nodes.iter().find(|node| node.id == input).map(|node| &node.output);
        own.or_else(|| self.reactor.graph().properties(input)).map(|properties| LateColumns::new(&properties.schema))
    }

    /// Gives the source called `name` a reader that has not begun, if it has none: then a query that is created now sees the
    /// data from the start. Pushed sources keep their one reader; a query over them sees what is pushed from now on.
    pub(crate) fn ensure_reader(&mut self, name: &str) -> Result<()> {
        let Some(Body::Source(source)) = self.catalog.get(name).map(|object| &object.body) else { return Ok(()) };
        let begun = source.reader.and_then(|node| self.readers.of_node(node)).is_some_and(Reader::has_begun);
        if begun && matches!(source.once, Once::Given) {
            return Err(read_once(name));
        }
        if source.reader.is_some() && !(begun && source.replayable) {
            return Ok(());
        }
        let connector = source.connector.clone();
        let (mut spec, properties, schema) = (source.spec.clone(), source.properties.clone(), source.schema.clone());
        let lengths = source.lengths.clone();
        let id = self.next_node();
        let opened = match (self.take_opened(name), &connector) {
            (Some(opened), _) => Some(opened),
            (None, Some(connector)) => Some(self.open_source(name, connector, Some(schema))?),
            (None, None) => None,
        };
        if let (Some(WatermarkSpec { per: WatermarkPer::Partition(partitions), .. }), Some(opened)) =
            (&mut spec.watermark, &opened)
        {
            *partitions = opened.partitions();
        }
        let node = Node { id, name: name.to_owned(), kind: NodeKind::Source(spec), inputs: Vec::new(), output: properties };
        self.attach_nodes(vec![node])?;
        if let Some(opened) = opened {
            self.reactor.defer(id)?;
            self.readers.add(name, id, lengths.hold(opened), true);
        }
        let object = self.catalog.get_mut(name).ok_or_else(|| Error::internal("the source is gone"))?;
        object.nodes.push(id);
        if let Body::Source(source) = &mut object.body {
            let before = source.reader.replace(id);
            self.note(Done::Reads { source: name.to_owned(), node: id, before })?;
        }
        Ok(())
    }

    /// Gives an object its side outputs; with the columns of its late rows, if they are known.
    pub(crate) fn declare_sides(&mut self, name: &str, late: Option<LateColumns>) -> Result<()> {
        let is_new = !self.side_outputs.is_declared(name);
        self.side_outputs.declare_errors(name);
        if let Some(late) = late {
            self.side_outputs.declare_late(name, late);
        }
        if is_new { self.note(Done::Sides(name.to_owned())) } else { Ok(()) }
    }

    /// Gives an object its name: the last thing that a CREATE does.
    pub(crate) fn enter(&mut self, object: Object) -> Result<()> {
        let name = object.name.clone();
        self.catalog.insert(object);
        self.note(Done::Named(name))
    }

    fn is_read_once(&self, name: &str) -> bool {
        let body = self.catalog.get(name).map(|object| &object.body);
        matches!(body, Some(Body::Source(source)) if !matches!(source.once, Once::No))
    }

    /// What CREATE SOURCE has opened of a source that can be read only once.
    fn take_opened(&mut self, name: &str) -> Option<Box<dyn Source>> {
        match self.catalog.get_mut(name).map(|object| &mut object.body) {
            Some(Body::Source(SourceBody { once: once @ Once::Opened(_), .. })) => match std::mem::replace(once, Once::Given) {
                Once::Opened(opened) => Some(opened),
                Once::No | Once::Given => None,
            },
            _ => None,
        }
    }

    /// Opens a connector for reading.
    pub(crate) fn open_source(
        &self,
        name: &str,
        connector: &ConnectorDef,
        schema: Option<arrow_schema::SchemaRef>,
    ) -> Result<Box<dyn laminar_connectors::Source>> {
        let options = options_of(connector);
        let request = SourceRequest { name: name.to_owned(), schema, options };
        self.registry
            .get(&connector.name)
            .map_err(|error| error.at(connector.name_span))?
            .open_source(request)
            .map_err(|error| if error.span().is_some() { error } else { error.at(connector.span) })
    }

    /// The nodes of an object and of its side outputs.
    pub(crate) fn nodes_with_sides(&self, name: &str) -> Vec<NodeId> {
        let own = self.catalog.get(name).map(|object| object.nodes.clone()).unwrap_or_default();
        [own, self.side_outputs.streams_of(name)].concat()
    }

    /// Takes the nodes of an object out, with everything that was kept for them.
    pub(crate) fn detach(&mut self, name: &str, nodes: &[NodeId]) -> Result<()> {
        self.readers.remove(nodes);
        self.forget_histories(nodes);
        let streams = self.side_outputs.streams_of(name);
        self.reactor.detach(&[nodes, &streams].concat())?;
        self.side_outputs.forget(name);
        self.drop_unread_streams()
    }
}

fn read_once(name: &str) -> Error {
    Error::new(Code::ObjectInUse, format!("'{name}' reads a pipe, which can be read only once, and reading has begun"))
        .with_hint("create everything that reads from it before the first row is read, or read it into a table first")
}

/// The options of a connector clause, with the format's among them as `format.x`.
pub(crate) fn options_of(connector: &ConnectorDef) -> Options {
    let own = connector.options.iter().map(|option| (option.key.clone(), option.value.clone()));
    let format = connector.format.iter().flat_map(|format| {
        let name = std::iter::once(("format".to_owned(), format.name.clone()));
        name.chain(format.options.iter().map(|option| (format!("format.{}", option.key), option.value.clone())))
    });
    Options::new(own.chain(format).collect::<Vec<_>>())
}
