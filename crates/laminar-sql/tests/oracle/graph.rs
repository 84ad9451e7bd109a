//! The engine under test without a database around it: planner, graph, reactor.

use std::sync::Arc;

use laminar_core::dag::{DagBuilder, GraphHost, InlinePool, Node, NodeStatus, SourceSpec};
use laminar_core::operator::RejectReason;
use laminar_core::reactor::Reactor;
use laminar_core::time::ManualClock;
use laminar_core::time::watermark::{WatermarkRule, WatermarkSpec};
use laminar_core::{ChangeBatch, Error, NodeId, Result};
use laminar_sql::lower::lower;
use laminar_sql::parse::{Statement, parse_statement};
use laminar_sql::plan::{Catalog, Planner, Purpose, Relation, RelationKind};
use laminar_testkit::oracle::{Prepared, Running, Subject, Test, check};
use laminar_testkit::random::{Changes, Table};

/// Runs a test with one reactor for a whole history, and a part of the cases on reactors that are replaced after every other
/// step by new ones in the state of an image, on 2 workers, and on 4 that are replaced as well.
pub(crate) fn check_graph(test: &Test) {
    let part = Test { share: 5 * test.share, ..test.clone() };
    check(&Graphs { restarts: false, workers: 1 }, test);
    for (restarts, workers) in [(true, 1), (false, 2), (true, 4)] {
        check(&Graphs { restarts, workers }, &part);
    }
}

struct Graphs {
    restarts: bool,
    workers: usize,
}

impl Subject for Graphs {
    fn prepare(&self, tables: &[Table], statements: &[String]) -> Result<Box<dyn Prepared>> {
        let mut dag = DagBuilder::new();
        let mut objects = Objects::default();
        let mut inlets = Vec::new();
        for table in tables {
            let (inlet, relation) = add_table(&mut dag, table);
            inlets.push(inlet);
            objects.0.push(relation);
        }
        let mut nodes = dag.finish()?;
        let planner = Planner::new();
        for statement in statements {
            let relation = add_query(&planner, &objects, statement, &mut nodes)?;
            objects.0.push(relation);
        }
        let view = objects.0.last().map_or(NodeId(0), |relation| relation.node);
        Ok(Box::new(Graph { nodes, inlets, view, restarts: self.restarts, workers: self.workers }))
    }
}

/// A table or source of the test: where rows are pushed, and what queries read.
fn add_table(dag: &mut DagBuilder, table: &Table) -> (NodeId, Relation) {
    let schema = table.schema();
    let (inlet, node, kind) = match &table.changes {
        Changes::Append => {
            let rule = |delay| WatermarkRule::BoundedOutOfOrderness { delay };
            let watermark = table.watermark.map(|(column, delay)| WatermarkSpec::new(column, rule(delay)));
            let source = dag.source(&table.name, schema, SourceSpec { watermark, idle_timeout: None });
            (source, source, RelationKind::Source)
        }
        changes => {
            let key = if let Changes::Keyed(key) = changes { Some(key.clone()) } else { None };
            let (inlet, output) = dag.table(&table.name, schema, key);
            (inlet, output, RelationKind::Table)
        }
    };
    let properties = dag.properties(node).clone();
    (inlet, Relation { name: table.name.clone(), kind, node, properties, changes_of: None, inlined: None })
}

/// Plans and lowers one CREATE STREAM or CREATE MATERIALIZED VIEW behind `nodes`.
fn add_query(planner: &Planner, objects: &Objects, sql: &str, nodes: &mut Vec<Node>) -> Result<Relation> {
    let parsed = parse_statement(sql)?;
    let (create, purpose, kind) = match &parsed.statement {
        Statement::CreateMaterializedView(create) => (create, Purpose::View, RelationKind::MaterializedView),
        Statement::CreateStream(create) => (create, Purpose::Stream, RelationKind::Stream),
        other => return Err(Error::internal(format!("the test creates streams and views, not {other:?}"))),
    };
    let plan = planner.plan_continuous(&create.query, purpose, &parsed.text, objects)?;
    let first = nodes.iter().map(|node| node.id.0 + 1).max().unwrap_or(0);
    let fragment = lower(&plan, &create.name.text, NodeId(first))?;
    nodes.extend(fragment.nodes);
    Ok(Relation {
        name: create.name.text.clone(),
        kind,
        node: fragment.root,
        properties: fragment.properties,
        changes_of: None,
        inlined: None,
    })
}

/// The objects of a test by name.
#[derive(Default)]
struct Objects(Vec<Relation>);

impl Catalog for Objects {
    fn relation(&self, name: &str) -> Option<Relation> {
        self.0.iter().find(|relation| relation.name == name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|relation| relation.name.clone()).collect()
    }
}

/// A planned query.
struct Graph {
    nodes: Vec<Node>,
    inlets: Vec<NodeId>,
    view: NodeId,
    restarts: bool,
    workers: usize,
}

impl Graph {
    fn reactor(&self) -> Result<Reactor> {
        let clock = Arc::new(ManualClock::at(0));
        let mut reactor = match self.workers {
            1 => Reactor::checked(clock),
            workers => Reactor::over(clock, GraphHost::new(workers, 1, true, Box::new(InlinePool::default()))),
        };
        reactor.attach(self.nodes.clone())?;
        Ok(reactor)
    }
}

impl Prepared for Graph {
    fn start(&self) -> Result<Box<dyn Running + '_>> {
        Ok(Box::new(Run { graph: self, reactor: self.reactor()?, steps: 0 }))
    }
}

/// A graph at work.
struct Run<'a> {
    graph: &'a Graph,
    reactor: Reactor,
    steps: usize,
}

impl Run<'_> {
    /// A new reactor that knows what the old one wrote down, and nothing else.
    fn restart(&mut self) -> Result<()> {
        let image = self.reactor.image()?;
        self.reactor = self.graph.reactor()?;
        self.reactor.restore(image)
    }
}

impl Running for Run<'_> {
    fn step(&mut self, batches: Vec<(usize, ChangeBatch)>) -> Result<()> {
        if self.graph.restarts && self.steps % 3 == 2 {
            self.restart()?;
        }
        self.steps += 1;
        if self.graph.restarts && self.steps % 2 == 1 {
            // Of some of it the next image holds copies that later changes have to find.
            self.reactor.copy_ahead(self.steps)?;
        }
        for (table, changes) in batches {
            self.reactor.push(self.graph.inlets[table], changes)?;
        }
        while self.reactor.poll()?.progressed {}
        let errors =
            self.reactor.graph_mut().take_rejected().into_iter().filter(|(_, rejected)| rejected.reason == RejectReason::Error);
        match errors.flat_map(|(_, rejected)| rejected.reasons).next() {
            Some(reason) => Err(Error::internal(format!("a row was rejected: {reason}"))),
            None => Ok(()),
        }
    }

    fn contents(&mut self) -> Result<Vec<ChangeBatch>> {
        if let NodeStatus::Failed(error) = self.reactor.graph().status(self.graph.view)? {
            return Err(error.within("the view has failed"));
        }
        self.reactor.graph().contents(self.graph.view).ok_or_else(|| Error::internal("the view stores nothing"))
    }
}
