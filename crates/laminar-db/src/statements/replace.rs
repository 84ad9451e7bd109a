//! Another query for a view that is there: what that means for it and for all that reads from it, and how it is done, or refused with the reason.

use std::collections::BTreeSet;

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateQuery, Name, Statement, StreamQuery, parse_statement};
use laminar_sql::plan::Purpose;

use super::create_query::{Said, history_of, late_target, purpose, shows_latest_only};
use super::create_view::{made, planned_anew};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectId, ObjectKind};
use crate::engine::{Attached, Engine, refuse_repeated_names};
use crate::settings::Retention;

/// What changes if an object gets another query.
pub(super) struct Replacement {
    /// The object.
    root: ObjectId,
    /// The catalog as it will be.
    next: Catalog,
    changes: Vec<CatalogChange>,
    /// Plain views that are planned anew, each after those that it needs.
    pub(super) views: Vec<ObjectId>,
    /// What runs and gets another query, or the same over other inputs, each after what it needs.
    pub(super) queries: Vec<Requery>,
    /// What cannot go on, and why.
    pub(super) refused: Vec<(ObjectId, String)>,
}

/// A query that is computed anew.
pub(super) struct Requery {
    pub(super) id: ObjectId,
    pub(super) way: Way,
    /// What it reads from directly.
    pub(super) inputs: Vec<ObjectId>,
    query: StreamQuery,
    text: String,
    history: Option<Retention>,
}

/// How a query takes the place of another one.
pub(super) enum Way {
    /// What reads the object keeps its state, and sees the rows that differ.
    InPlace,
    /// What reads the object is made anew too, for this reason.
    Anew(String),
    /// The object is another one; nothing reads it.
    Again(String),
}

impl Replacement {
    fn new(engine: &Engine, root: ObjectId) -> Self {
        let (views, queries, refused) = (Vec::new(), Vec::new(), Vec::new());
        Self { root, next: engine.catalog.clone(), changes: Vec::new(), views, queries, refused }
    }

    /// What changes if the stream or materialized view `old` gets the query of `create`.
    pub(super) fn of_query(engine: &mut Engine, create: &CreateQuery, said: Said<'_>, old: &Object) -> Result<Self> {
        let lowered = engine.lowered(&old.name, &create.query, said.text, purpose(old.kind()))?;
        refuse_repeated_names(&lowered.fragment.properties.schema, &create.query)?;
        if engine.catalog.with_inputs(&lowered.depends_on).contains(&old.id) {
            let error = Error::new(Code::InvalidQuery, format!("'{}' would read from itself", create.name.text));
            return Err(error.with_hint("name the tables and views below it").at(create.query.span));
        }
        let mut replacement = Self::new(engine, old.id);
        let history = history_of(create)?;
        let latest_only = shows_latest_only(&create.query);
        let reason = match &old.definition {
            Definition::Query { latest_only: before, .. } if *before != latest_only => {
                Some("one of the queries says EMIT ON UPDATE and the other does not".to_owned())
            }
            _ if history != history_of(&statement_of(old)?)? => {
                Some("another part of its changes would be kept as its history".to_owned())
            }
            _ => engine.why_not_in_place(old, &create.query, &lowered)?,
        };
        let is_read = !engine.catalog.dependants(old.id).is_empty();
        let way = match reason {
            None => Way::InPlace,
            Some(reason) if !is_read => Way::Again(reason),
            Some(reason) => match engine.why_not_made_anew(old, &create.query, &lowered) {
                None => Way::Anew(reason),
                Some(other) => {
                    replacement.refused.push((old.id, if other == reason { reason } else { format!("{reason}; {other}") }));
                    return Ok(replacement);
                }
            },
        };
        let (late_to, inputs) = (late_target(engine, &create.query)?, lowered.depends_on.clone());
        let object = Object { sql: said.sql.to_owned(), depends_on: inputs.clone(), late_to, ..old.clone() };
        let object = if matches!(way, Way::Anew(_)) { anew(object, &lowered, latest_only) } else { object };
        let touches = matches!(way, Way::Anew(_));
        if !matches!(way, Way::Again(_)) {
            replacement.alter(object)?;
        }
        let (id, text) = (old.id, said.text.to_owned());
        replacement.queries.push(Requery { id, way, inputs, query: create.query.clone(), text, history });
        if touches {
            replacement.look_above(engine, &create.name)?;
        }
        Ok(replacement)
    }

    /// What changes if the plain view `old` gets the query of `create`.
    pub(super) fn of_view(engine: &mut Engine, create: &CreateQuery, said: Said<'_>, old: ObjectId) -> Result<Self> {
        let view = made(engine, create, said, old)?;
        if engine.catalog.with_inputs(&view.depends_on).contains(&old) {
            let error = Error::new(Code::InvalidQuery, format!("view '{}' would read from itself", view.name));
            return Err(error.with_hint("name the tables and views below it").at(create.query.span));
        }
        let mut replacement = Self::new(engine, old);
        replacement.alter(view)?;
        replacement.views.push(old);
        replacement.look_above(engine, &create.name)?;
        Ok(replacement)
    }

    fn alter(&mut self, object: Object) -> Result<()> {
        let change = if object.id == self.root { CatalogChange::Replace(object) } else { CatalogChange::Alter(object) };
        self.next.apply(std::slice::from_ref(&change))?;
        self.changes.push(change);
        Ok(())
    }

    /// Looks at all that needs what changes: views are planned anew, and so is what runs and reads from something that is not what it was.
    fn look_above(&mut self, engine: &mut Engine, name: &Name) -> Result<()> {
        let mut touched = BTreeSet::from([self.root]);
        // Each after what it needs.
        for id in engine.catalog.with_dependants(self.root).into_iter().rev().skip(1) {
            let Some(object) = engine.catalog.object(id).cloned() else { continue };
            if !object.needs().any(|needed| touched.contains(&needed)) {
                continue;
            }
            match object.kind() {
                ObjectKind::View => {
                    let view = planned_anew(engine, &self.next, id).map_err(|error| error.at(name.span))?;
                    self.alter(view)?;
                    self.views.push(id);
                    touched.insert(id);
                }
                ObjectKind::MaterializedView => {
                    if self.look_at_query(engine, &object).map_err(|error| above(&error, &object).at(name.span))? {
                        touched.insert(id);
                    }
                }
                kind => self.refused.push((id, cannot_go_on(kind).to_owned())),
            }
        }
        Ok(())
    }

    /// Looks at what runs over something that is not what it was; whether its readers must be looked at too.
    fn look_at_query(&mut self, engine: &mut Engine, object: &Object) -> Result<bool> {
        let statement = statement_of(object)?;
        let (query, text) = (&statement.query, &object.sql);
        let (lowered, reason) = engine.over_catalog(self.next.clone(), |engine| {
            let lowered = engine.lowered(&object.name, query, text, Purpose::View)?;
            let reason = engine.why_not_in_place(object, query, &lowered)?;
            let other = reason.as_ref().and_then(|_| engine.why_not_made_anew(object, query, &lowered));
            Ok((lowered, reason.map(|reason| (reason, other))))
        })?;
        let way = match reason {
            None => Way::InPlace,
            Some((reason, None)) => Way::Anew(reason),
            Some((reason, Some(other))) => {
                self.refused.push((object.id, if other == reason { reason } else { format!("{reason}; {other}") }));
                return Ok(false);
            }
        };
        let touches = matches!(way, Way::Anew(_));
        if touches {
            self.alter(anew(object.clone(), &lowered, shows_latest_only(query)))?;
        }
        let history = history_of(&statement)?;
        let (id, inputs, text) = (object.id, lowered.depends_on, object.sql.clone());
        self.queries.push(Requery { id, way, inputs, query: statement.query, text, history });
        Ok(touches)
    }

    /// Fails if something cannot go on.
    pub(super) fn refuse(&self, engine: &Engine, create: &CreateQuery) -> Result<()> {
        let Some((first, reason)) = self.refused.first() else { return Ok(()) };
        let mut names: Vec<&str> = self.refused.iter().map(|(id, _)| engine.catalog.name_of(*id)).collect();
        let name = &create.name.text;
        let anew = self.queries.iter().filter_map(|query| match &query.way {
            Way::Anew(reason) => Some((query.id, reason)),
            _ => None,
        });
        let detail = if *first == self.root {
            names = engine.catalog.names_of(&engine.catalog.dependants(self.root));
            reason.clone()
        } else {
            let of = |(id, reason): (ObjectId, &String)| match id == self.root {
                true => reason.clone(),
                false => format!("{}: {reason}", engine.catalog.name_of(id)),
            };
            let refused = self.refused.iter().map(|(id, reason)| (*id, reason));
            anew.chain(refused).map(of).collect::<Vec<_>>().join("; ")
        };
        names.sort_unstable();
        let text = format!("'{name}' is used by {}, which cannot go on with the new query", names.join(", "));
        Err(Error::new(Code::ObjectInUse, text)
            .with_detail(detail)
            .with_hint("drop those first and create them again, or create it under another name")
            .at(create.name.span))
    }

    /// Computes what is computed anew, so that it takes effect with the statement.
    pub(super) fn stage(self, engine: &mut Engine) -> Result<()> {
        for Requery { id, way, query, text, history, .. } in self.queries {
            let next = self.next.clone();
            engine.over_catalog(next, |engine| match way {
                Way::InPlace => engine.attach_in_place(id, &query, &text),
                Way::Anew(_) | Way::Again(_) => engine.attach_anew(id, &query, &text, history),
            })?;
        }
        self.changes.into_iter().for_each(|change| engine.stage(change));
        Ok(())
    }

    /// What the object reads, if it is another one, which nothing reads.
    pub(super) fn made_again(&self) -> Option<&[ObjectId]> {
        let again = self.queries.iter().find(|query| matches!(query.way, Way::Again(_)));
        again.map(|query| query.inputs.as_slice())
    }
}

/// `object` with what holds of the rows that come out of `lowered`.
fn anew(object: Object, lowered: &Attached, latest_only: bool) -> Object {
    let properties = lowered.fragment.properties.clone();
    let stored = object.is_stored();
    Object { definition: Definition::Query { properties, stored, latest_only }, ..object }
}

/// What goes wrong in a statement that was said before; its place is there.
fn above(error: &Error, object: &Object) -> Error {
    let without_place = Error::new(error.code(), error.message()).within(format!("'{}'", object.name));
    without_place.with_hint("drop that first, or keep the columns that it names")
}

fn cannot_go_on(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Sink => "a sink cannot take back the rows that it has written",
        ObjectKind::Subscription => "its reader knows the rows as they are",
        ObjectKind::Index => "an index finds the rows as they are: DROP INDEX, and create it again",
        _ => "a stream keeps no rows that the new ones could be compared with",
    }
}

/// The statement that made a stream or materialized view.
pub(super) fn statement_of(object: &Object) -> Result<CreateQuery> {
    match parse_statement(&object.sql)?.statement {
        Statement::CreateMaterializedView(create) | Statement::CreateStream(create) => Ok(create),
        _ => Err(Error::internal(format!("'{}' was made by another statement", object.name))),
    }
}
