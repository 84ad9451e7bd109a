//! `CREATE INDEX` and `SHOW INDEXES`.

use arrow_schema::DataType;
use laminar_core::changelog::RowKeys;
use laminar_core::dag::{IndexSpec, Node, NodeKind, derive};
use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateIndex, Name};

use super::target_table::places_of;
use super::{StatementOutcome, name_is_free, text_rows};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectKind, kind_name};
use crate::engine::{Engine, Instance, Parts};

pub(super) fn run(engine: &mut Engine, create: &CreateIndex, text: &str) -> Result<StatementOutcome> {
    let object = engine.catalog.require(&create.on)?;
    let (on, schema) = match object.properties().filter(|_| object.is_stored()) {
        Some(properties) => (object.id, properties.schema.clone()),
        None => return Err(keeps_no_rows(object).at(create.on.span)),
    };
    let create = CreateIndex { name: free_name(create, &engine.catalog), ..create.clone() };
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, false)? {
        return Ok(skipped);
    }
    let columns = places_of(&create.columns, &schema, &create.on.text)?;
    for (column, name) in columns.iter().zip(&create.columns) {
        refuse_type(schema.field(*column).data_type(), name)?;
    }
    let input = engine.output_of(on)?;
    let properties = engine.reactor.graph().properties(input).cloned();
    let properties = properties.ok_or_else(|| Error::internal(format!("'{}' has no node", create.on.text)))?;
    let (id, node) = (engine.catalog.next_id(), engine.next_node());
    let kind = NodeKind::Index(IndexSpec { columns: columns.clone() });
    let output = derive(&kind, &[&properties], properties.schema.clone());
    let name = create.name.text.clone();
    engine.attach_nodes(id, vec![Node { id: node, name: name.clone(), kind, inputs: vec![input], output }])?;
    engine.run_instance(id, Instance::new(vec![node], Parts::Index))?;
    engine.settle()?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name: name.clone(),
        sql: create.named_text(text),
        depends_on: vec![on],
        late_to: None,
        definition: Definition::Index { columns },
    }));
    Ok(StatementOutcome::done(format!("CREATE INDEX {name}")))
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
