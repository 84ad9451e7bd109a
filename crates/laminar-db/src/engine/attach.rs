//! Puts continuous queries into the running graph and takes them out again.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use laminar_connectors::{Options, Source, SourceRequest};
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, NodeStatus, OutputSpec, SourceSpec, late_schema};
use laminar_core::time::watermark::{WatermarkPer, WatermarkSpec};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::lower::{Fragment, lower};
use laminar_sql::parse::{ConnectorDef, StreamQuery};
use laminar_sql::plan::{ContinuousPlan, Purpose};

use super::instances::{Instance, Parts, SourceReader, required};
use super::planning::PlannerCatalog;
use super::readers::Reader;
use super::side_outputs::LateColumns;
use super::sieve::held_to_lengths;
use super::table_rules::{TableRules, nullable};
use super::{Done, Engine};
use crate::catalog::{Definition, ObjectId, Side, SideId, SourceDefinition, inputs_in, objects_in, sides_in};

/// A continuous query that runs.
#[derive(Clone)]
pub(crate) struct Attached {
    pub(crate) fragment: Fragment,
    /// The objects that it reads from directly.
    pub(crate) depends_on: Vec<ObjectId>,
}

/// What the definition of a source says of its columns.
#[derive(Clone)]
pub(crate) struct Declared<'a> {
    /// `None`: nothing, the connector finds out.
    pub(crate) schema: Option<SchemaRef>,
    /// Those of the primary key.
    pub(crate) key: &'a [usize],
    /// They were not said, but found in the data by an earlier reader.
    pub(crate) were_found: bool,
}

impl<'a> Declared<'a> {
    pub(crate) fn new(schema: Option<SchemaRef>, key: &'a [usize]) -> Self {
        Self { schema, key, were_found: false }
    }
}

impl Engine {
    /// The plan of a continuous query, every source of it ready to be read.
    pub(crate) fn plan(&mut self, query: &StreamQuery, text: &str, purpose: Purpose) -> Result<(ContinuousPlan, Vec<ObjectId>)> {
        self.ensure_inputs(query)?;
        let relations = PlannerCatalog::new(self);
        let planned = self.planner.plan_continuous(query, purpose, text, &relations);
        Ok((relations.checked(planned)?, inputs_in(query, &self.catalog)))
    }

    /// Makes everything that `query` names ready to be read.
    pub(crate) fn ensure_inputs(&mut self, query: &StreamQuery) -> Result<()> {
        let named = objects_in(query, &self.catalog);
        let direct = self.catalog.with_inlined(&named);
        for id in self.catalog.with_inputs(&named) {
            // What stands between has its reader; of a pipe there is no other.
            if direct.contains(&id) || !self.is_read_once(id) {
                self.ensure_reader(id)?;
            }
        }
        for side in sides_in(query, &self.catalog) {
            self.ensure_side(side)?;
        }
        Ok(())
    }

    /// The nodes of a continuous query, not yet attached: what `EXPLAIN GRAPH` shows.
    pub(crate) fn lowered(&mut self, name: &str, query: &StreamQuery, text: &str, purpose: Purpose) -> Result<Attached> {
        let (plan, depends_on) = self.plan(query, text, purpose)?;
        let fragment = lower(&plan, name, self.next_node())?;
        Ok(Attached { fragment, depends_on })
    }

    /// Runs the continuous query of the object that gets this id and name.
    pub(crate) fn attach_query(
        &mut self,
        (id, name): (ObjectId, &str),
        query: &StreamQuery,
        text: &str,
        purpose: Purpose,
    ) -> Result<Attached> {
        let mut attached = self.lowered(name, query, text, purpose)?;
        attached.fragment.reads.iter().try_for_each(|node| self.refuse_ended(*node))?;
        refuse_repeated_names(&attached.fragment.properties.schema, query)?;
        let nodes = &attached.fragment.nodes;
        let late = self.late_columns(nodes);
        let target = match (&query.late_to, &late) {
            (Some(target), Some(late)) => Some(self.fit_target(target, late.schema(), &attached.depends_on)?),
            _ => None,
        };
        let mut rejected = Vec::new();
        match self.backfill_of(name, text, &attached) {
            Some(backfill) => (attached, rejected) = self.take_over(backfill, id)?,
            None => self.attach_nodes(id, nodes.clone())?,
        }
        self.declare_sides(id, late)?;
        self.side_outputs.collect(self.reactor.graph(), rejected)?;
        if let Some(target) = target {
            self.connect_target(id, target)?;
        }
        self.settle()?;
        Ok(attached)
    }

    /// Refuses to read from a stream or source that has ended and keeps nothing: whatever its rows were, a reader would get none.
    pub(crate) fn refuse_ended(&self, node: NodeId) -> Result<()> {
        if !self.reactor.graph().status(node).is_ok_and(|status| status == NodeStatus::Ended) {
            return Ok(());
        }
        let Some(object) = self.side_outputs.owner(node).and_then(|id| self.catalog.object(id)) else { return Ok(()) };
        let (kind, hint) = match &object.definition {
            Definition::Source(source) if !source.keeps_rows() => {
                ("source", "create what reads from it before it is read, or keep its rows in a MATERIALIZED VIEW")
            }
            Definition::Query { stored: false, .. } => {
                ("stream", "create what reads from it before it ends, or make it a VIEW or a MATERIALIZED VIEW")
            }
            _ => return Ok(()),
        };
        let message = format!("{kind} '{}' has ended, and its rows are not kept: nothing would come out of it", object.name);
        Err(Error::new(Code::Closed, message).with_hint(hint))
    }

    /// Puts nodes into the graph that run for an object, or for a query without a name.
    pub(crate) fn attach_nodes(&mut self, owner: ObjectId, nodes: Vec<Node>) -> Result<()> {
        let next = nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or(self.next_node);
        let inputs: Vec<NodeId> = nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
        let attached: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        self.reactor.attach(nodes)?;
        self.next_node = next;
        self.own_attached(owner, attached, inputs)
    }

    /// Nodes in the graph run for an object, or for a query without a name, from now on, and read from `inputs`.
    pub(super) fn own_attached(&mut self, owner: ObjectId, nodes: Vec<NodeId>, inputs: Vec<NodeId>) -> Result<()> {
        self.side_outputs.own(owner, nodes.iter().copied());
        self.note(Done::Attached(nodes))?;
        inputs.into_iter().try_for_each(|input| self.want(input))
    }

    /// The columns of late rows: those that rows have where they meet the first window of `nodes`, or the first join that forgets rows.
    pub(super) fn late_columns(&self, nodes: &[Node]) -> Option<LateColumns> {
        let schema = |input: &NodeId| {
            let own = nodes.iter().find(|node| node.id == *input).map(|node| &node.output);
            own.or_else(|| self.reactor.graph().properties(*input)).map(|properties| properties.schema.clone())
        };
        let columns = |node: &Node| match (&node.kind, node.inputs.as_slice()) {
            (NodeKind::Window(_) | NodeKind::Session(_) | NodeKind::AssignWindow(_), [input]) => schema(input),
            (kind, [left, right]) if forgets(kind) => Some(Arc::new(late_schema(&*schema(left)?, &*schema(right)?))),
            _ => None,
        };
        nodes.iter().find_map(columns).map(|schema| LateColumns::new(&schema))
    }

    /// Gives a source a reader that has not begun, if it has none: then a query that is created now sees the data from the start. Pushed sources
    /// keep their one reader; a query over them sees what is pushed from now on. Sources with a primary key keep theirs too, with the rows that a
    /// query begins with. Other objects are ready as they are.
    pub(crate) fn ensure_reader(&mut self, id: ObjectId) -> Result<()> {
        let Some(source) = self.instances.source(id) else { return Ok(()) };
        let object = required(self.catalog.object(id), id)?;
        let Definition::Source(definition) = &object.definition else { return Ok(()) };
        if source.reader.is_some() && definition.keeps_rows() {
            return Ok(());
        }
        let begun = source.reader.and_then(|reader| self.readers.of_node(reader.node)).is_some_and(Reader::has_begun);
        if begun && definition.read_once && source.opened.is_none() {
            return Err(read_once(&object.name));
        }
        if source.reader.is_some() && !(begun && definition.replayable) {
            return Ok(());
        }
        let (name, lengths, mut spec) = (object.name.clone(), source.lengths.clone(), source.spec.clone());
        let definition = definition.clone();
        let opened = match (self.take_opened(id), &definition.connector) {
            (Some(opened), _) => Some(opened),
            (None, Some(connector)) => {
                let columns = Declared::new(Some(definition.properties.schema.clone()), &definition.key);
                Some(self.open_reader(&name, connector, columns)?)
            }
            (None, None) => None,
        };
        if let (Some(WatermarkSpec { per: WatermarkPer::Partition(partitions), .. }), Some(opened)) =
            (&mut spec.watermark, &opened)
        {
            *partitions = opened.partitions();
        }
        let nodes = source_nodes(&definition, &name, spec, self.next_node());
        let own: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        let reader = SourceReader { node: own[0], output: own[own.len() - 1] };
        self.attach_nodes(id, nodes)?;
        if let Some(opened) = opened {
            self.reactor.defer(reader.node)?;
            self.readers.add(id, reader.node, held_to_lengths(opened, &lengths), true);
        }
        let Some(Instance { parts: Parts::Source(source), nodes, .. }) = self.instances.get_mut(id) else { return Ok(()) };
        nodes.extend(own);
        let before = source.reader.replace(reader);
        self.note(Done::Reads { source: id, reader, before })
    }

    /// Gives an object its side outputs; with the columns of its late rows, if they are known.
    pub(crate) fn declare_sides(&mut self, id: ObjectId, late: Option<LateColumns>) -> Result<()> {
        let is_new = !self.side_outputs.is_declared(id);
        self.side_outputs.declare_errors(id);
        if let Some(late) = late {
            self.side_outputs.declare_late(id, late);
        }
        if is_new { self.note(Done::Sides(id)) } else { Ok(()) }
    }

    /// Says what runs for an object that gets this id.
    pub(crate) fn run_instance(&mut self, id: ObjectId, instance: Instance) -> Result<()> {
        self.instances.insert(id, instance);
        self.note(Done::Runs(id))
    }

    /// Whether there is only one reader of an object ever, as of a pipe.
    pub(super) fn is_read_once(&self, id: ObjectId) -> bool {
        let definition = self.catalog.object(id).map(|object| &object.definition);
        matches!(definition, Some(Definition::Source(source)) if source.read_once)
    }

    /// What CREATE SOURCE has opened of a source that can be read only once.
    fn take_opened(&mut self, id: ObjectId) -> Option<Box<dyn Source>> {
        self.instances.source_mut(id)?.opened.take()
    }

    /// Opens a connector for reading rows with these columns.
    pub(crate) fn open_source(&self, name: &str, connector: &ConnectorDef, columns: Declared<'_>) -> Result<Box<dyn Source>> {
        self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let opened = self.registry.open_source(&connector.name, source_request(name, connector, columns));
        opened.map_err(|error| if error.span().is_some() { error } else { error.at(connector.span) })
    }

    /// The nodes of an object and of its side outputs.
    pub(crate) fn nodes_with_sides(&self, id: ObjectId) -> Vec<NodeId> {
        [self.instances.nodes(id), &self.side_outputs.streams_of(id)].concat()
    }

    /// Ends what runs for an object, with everything that was kept for it: its nodes can be taken out.
    pub(crate) fn end_instance(&mut self, id: ObjectId) -> Result<()> {
        let nodes = self.nodes_with_sides(id);
        let ended = self.instances.remove(id);
        if let Some((handle, outlet)) = ended.as_ref().and_then(Instance::sink) {
            self.reactor.graph_mut().detach_outlet(outlet);
            handle.close();
        }
        if let Some(Parts::Subscription { node, history }) = ended.map(|instance| instance.parts)
            && history.remove_named(id)
        {
            self.drop_history(node);
        }
        self.readers.remove(&nodes);
        self.forget_histories(&nodes);
        self.detach_nodes(&nodes)?;
        self.side_outputs.forget(id);
        self.drop_unread_streams()
    }

    /// What runs for an object is called as the catalog calls it now; a table has new rules then.
    pub(crate) fn rename_instance(&mut self, id: ObjectId, rules: Option<Arc<TableRules>>) {
        if let (Some(rules), Some(Instance { parts: Parts::Table(table), .. })) = (rules, self.instances.get_mut(id)) {
            table.rules = rules;
        }
        self.rename_nodes(&self.instances.nodes(id).to_vec(), &self.catalog.name_of(id).to_owned());
        for side in Side::ALL.map(|side| SideId { object: id, side }) {
            self.rename_nodes(&self.side_outputs.streams_on(side), &self.catalog.side_name(side));
        }
    }

    fn rename_nodes(&mut self, nodes: &[NodeId], name: &str) {
        self.reactor.graph_mut().rename(nodes, name);
        self.histories.iter_mut().filter(|attached| nodes.contains(&attached.node)).for_each(|attached| attached.rename(name));
    }

    /// Takes nodes out of the graph.
    pub(crate) fn detach_nodes(&mut self, nodes: &[NodeId]) -> Result<()> {
        self.reactor.detach(nodes)?;
        self.side_outputs.disown(nodes);
        Ok(())
    }
}

/// The nodes of a source, numbered from `first`: where its rows come in, and where they replace each other if it has a primary key.
fn source_nodes(definition: &SourceDefinition, name: &str, spec: SourceSpec, first: NodeId) -> Vec<Node> {
    let (properties, name) = (definition.properties.clone(), name.to_owned());
    let kind = NodeKind::Source(spec);
    if !definition.keeps_rows() {
        return vec![Node { id: first, name, kind, inputs: Vec::new(), output: properties }];
    }
    let schema = properties.schema.clone();
    // What comes is looked at row by row where rows replace each other, so that a NULL costs its row alone.
    let pushed = EdgeProperties::new(nullable(&schema), ChangeKind::Retract);
    let primary_key = Some(definition.key.clone());
    let replaced = NodeKind::Output(OutputSpec { stored: true, pushed: true, primary_key, schema });
    vec![
        Node { id: first, name: name.clone(), kind, inputs: Vec::new(), output: pushed },
        Node { id: NodeId(first.0 + 1), name, kind: replaced, inputs: vec![first], output: properties },
    ]
}

/// What a connector is asked for.
pub(super) fn source_request(name: &str, connector: &ConnectorDef, columns: Declared<'_>) -> SourceRequest {
    SourceRequest {
        name: name.to_owned(),
        schema: columns.schema,
        key: columns.key.to_vec(),
        options: options_of(connector),
        schema_was_found: columns.were_found,
    }
}

/// Two columns of one name could not be told apart by those who read them.
pub(crate) fn refuse_repeated_names(schema: &Schema, query: &StreamQuery) -> Result<()> {
    let mut first = HashMap::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if let Some(before) = first.insert(field.name(), index) {
            let text = format!("columns {} and {} would both be called '{}'", before + 1, index + 1, field.name());
            let error = Error::new(Code::InvalidQuery, text).at(query.span);
            return Err(error.with_hint(
                "give one of them another name with AS, or name the columns behind the view: CREATE … name (a, b, …) AS …",
            ));
        }
    }
    Ok(())
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

/// Whether a join forgets rows, so that others come too late for it.
fn forgets(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::Join(join) => join.time_bound.is_some(),
        NodeKind::AsofJoin(join) => join.times.is_some(),
        _ => false,
    }
}
