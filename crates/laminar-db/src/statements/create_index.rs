//! `CREATE INDEX` and `SHOW INDEXES`.

use arrow_schema::DataType;
use laminar_core::changelog::RowKeys;
use laminar_core::dag::{EdgeProperties, IndexSpec, Node, NodeKind, derive};
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::lower::Fragment;
use laminar_sql::parse::{CreateIndex, Name};

use super::target_table::places_of;
use super::{StatementOutcome, name_is_free, text_rows};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectId, ObjectKind, kind_name};
use crate::engine::{Attached, BackfillId, Engine, Instance, Parts};

pub(super) fn run(engine: &mut Engine, create: &CreateIndex, text: &str) -> Result<StatementOutcome> {
    let create = CreateIndex { name: free_name(create, &engine.catalog), ..create.clone() };
    let indexed = indexed(engine, &create)?;
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, false)? {
        return Ok(skipped);
    }
    let (id, name, columns) = (engine.catalog.next_id(), create.name.text.clone(), columns_of(&create, &indexed)?);
    let mut attached = planned(engine, &name, &indexed, &columns);
    match engine.backfill_of(&name, text, &attached) {
        Some(backfill) => (attached, _) = engine.take_over(backfill, id)?,
        None => engine.attach_nodes(id, attached.fragment.nodes.clone())?,
    }
    engine.run_instance(id, Instance::new(vec![attached.fragment.root], Parts::Index))?;
    engine.settle()?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name: name.clone(),
        sql: create.named_text(text),
        depends_on: attached.depends_on,
        late_to: None,
        definition: Definition::Index { columns },
    }));
    Ok(StatementOutcome::done(format!("CREATE INDEX {name}")))
}

/// Begins to put the rows that are stored into the index that the statement is about to make, if they are many. What is wrong with the statement it says
/// itself.
pub(super) fn begin_backfill(engine: &mut Engine, create: &CreateIndex, text: &str) -> Result<Option<BackfillId>> {
    let name = free_name(create, &engine.catalog).text;
    if engine.catalog.get(&name).is_some() {
        return Ok(None);
    }
    let Ok(indexed) = indexed(engine, create) else { return Ok(None) };
    let Ok(columns) = columns_of(create, &indexed) else { return Ok(None) };
    let attached = planned(engine, &name, &indexed, &columns);
    engine.begin_backfill_of(&name, text, attached)
}

/// What an index stands over.
struct Indexed {
    object: ObjectId,
    /// Where its rows come out.
    node: NodeId,
    edge: EdgeProperties,
}

fn indexed(engine: &Engine, create: &CreateIndex) -> Result<Indexed> {
    let object = engine.catalog.require(&create.on)?;
    if !object.is_stored() {
        return Err(keeps_no_rows(object).at(create.on.span));
    }
    let (object, node) = (object.id, engine.output_of(object.id)?);
    let edge = engine.reactor.graph().properties(node).cloned();
    let edge = edge.ok_or_else(|| Error::internal(format!("'{}' has no node", create.on.text)))?;
    Ok(Indexed { object, node, edge })
}

/// The places of the columns that the index finds rows by.
fn columns_of(create: &CreateIndex, indexed: &Indexed) -> Result<Vec<usize>> {
    let schema = &indexed.edge.schema;
    let columns = places_of(&create.columns, schema, &create.on.text)?;
    for (column, name) in columns.iter().zip(&create.columns) {
        refuse_type(schema.field(*column).data_type(), name)?;
    }
    Ok(columns)
}

/// The node of an index called `name`, not yet attached.
fn planned(engine: &Engine, name: &str, indexed: &Indexed, columns: &[usize]) -> Attached {
    let (id, input) = (engine.next_node(), indexed.node);
    let kind = NodeKind::Index(IndexSpec { columns: columns.to_vec() });
    let properties = derive(&kind, &[&indexed.edge], indexed.edge.schema.clone());
    let node = Node { id, name: name.to_owned(), kind, inputs: vec![input], output: properties.clone() };
    let fragment = Fragment { nodes: vec![node], root: id, properties, reads: vec![input] };
    Attached { fragment, depends_on: vec![indexed.object] }
}

/// The name that was written; if none was, one that nothing has.
fn free_name(create: &CreateIndex, catalog: &Catalog) -> Name {
    let Name { text, span } = create.name.clone();
    if !create.is_unnamed() || create.if_not_exists || catalog.get(&text).is_none() {
        return Name { text, span };
    }
    let mut numbered = (1..).map(|number: u32| format!("{text}{number}"));
    let free = numbered.find(|name| catalog.get(name).is_none());
    Name { text: free.unwrap_or(text), span }
}

fn keeps_no_rows(object: &Object) -> Error {
    let (kind, name) = (kind_name(object.kind()).to_lowercase(), &object.name);
    let text = format!("{kind} '{name}' keeps no rows that an index could find");
    let hint = match object.kind() {
        ObjectKind::LookupTable => "it is asked by its PRIMARY KEY, and needs no index",
        ObjectKind::Index => "name the table or materialized view",
        _ => "a table or a MATERIALIZED VIEW keeps its rows",
    };
    Error::new(Code::InvalidQuery, text).with_hint(hint)
}

/// Values that have no key of their own cannot be looked for.
fn refuse_type(data_type: &DataType, column: &Name) -> Result<()> {
    match RowKeys::new(std::slice::from_ref(data_type)) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(Code::NotSupported, format!("column '{}' of type {data_type} cannot be indexed", column.text))
            .with_hint("index columns of numbers, texts, times or booleans")
            .at(column.span)),
    }
}

/// `SHOW INDEXES`: what each finds, how many rows it has and what they take.
pub(super) fn show(engine: &mut Engine) -> Result<StatementOutcome> {
    let mut rows = Vec::new();
    let indexes: Vec<Object> = engine.catalog.iter().filter(|object| object.kind() == ObjectKind::Index).cloned().collect();
    for index in indexes {
        let Definition::Index { columns } = &index.definition else { continue };
        let [on] = index.depends_on.as_slice() else { continue };
        let indexed = engine.catalog.object(*on).and_then(Object::properties);
        let names = columns.iter().filter_map(|column| Some(indexed?.schema.field(*column).name().as_str()));
        let (on, names) = (engine.catalog.name_of(*on).to_owned(), names.collect::<Vec<_>>().join(", "));
        let Some(node) = engine.instances.nodes(index.id).first().copied() else { continue };
        let metrics = engine.reactor.graph_mut().metrics(node)?;
        rows.push(vec![index.name, on, names, metrics.state_rows.to_string(), metrics.state_bytes.to_string()]);
    }
    text_rows(&["name", "object", "columns", "rows", "bytes"], rows)
}
