//! Something outside that tests change, take away and bring back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use laminar_db::connectors::lookup::{Answer, Lookup, LookupRequest};
use laminar_db::connectors::{Accepts, BadRow, Connector, Registry, Sink, SinkRequest, Source, SourceRequest};
use laminar_db::core::time::ManualClock;
use laminar_db::{Code, Error, Result};

/// Names by id; clones share them.
#[derive(Clone)]
pub(super) struct Outside {
    names: Arc<Mutex<BTreeMap<i64, String>>>,
    away: Arc<Mutex<Option<Error>>>,
    /// All keys that were asked for.
    asked: Arc<Mutex<Vec<i64>>>,
    pub(super) clock: ManualClock,
}

struct Asked {
    outside: Outside,
    schema: SchemaRef,
}

impl Outside {
    pub(super) fn new(names: impl IntoIterator<Item = (i64, &'static str)>) -> Self {
        let names = names.into_iter().map(|(id, name)| (id, name.to_owned())).collect();
        Self { names: Arc::new(Mutex::new(names)), away: Arc::default(), asked: Arc::default(), clock: super::clock() }
    }

    pub(super) fn set(&self, id: i64, name: &str) {
        self.names.lock().unwrap().insert(id, name.to_owned());
    }

    /// It does not answer until it [`comes_back`](Self::comes_back).
    pub(super) fn goes_away(&self, code: Code) {
        *self.away.lock().unwrap() = Some(Error::new(code, "the users are away"));
    }

    pub(super) fn comes_back(&self) {
        *self.away.lock().unwrap() = None;
    }

    /// The keys that were asked for since the last call, in order.
    pub(super) fn asked(&self) -> Vec<i64> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort_unstable();
        asked
    }

    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_builtin();
        registry.add(Box::new(self.clone()));
        registry
    }
}

impl Connector for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }

    fn open_source(&self, _: SourceRequest) -> Result<Box<dyn Source>> {
        Err(Error::new(Code::NotSupported, "there are no sources"))
    }

    fn open_lookup(&self, request: LookupRequest) -> Result<Box<dyn Lookup>> {
        request.options.finish("the outside", &[])?;
        let schema = request.schema.expect("tests declare the columns");
        Ok(Box::new(Asked { outside: self.clone(), schema }))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, _: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(Error::new(Code::NotSupported, "there are no sinks"))
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl Lookup for Asked {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn look_up(&mut self, keys: &RecordBatch) -> Result<Answer> {
        if let Some(error) = self.outside.away.lock().unwrap().clone() {
            return Err(error);
        }
        let keys = keys.column(0).as_primitive::<Int64Type>().values();
        self.outside.asked.lock().unwrap().extend(keys);
        let names = self.outside.names.lock().unwrap();
        let found: Vec<(i64, &String)> = keys.iter().filter_map(|key| Some((*key, names.get(key)?))).collect();
        let ids: ArrayRef = Arc::new(found.iter().map(|(id, _)| *id).collect::<Int64Array>());
        let names: ArrayRef = Arc::new(found.iter().map(|(_, name)| Some(name.as_str())).collect::<StringArray>());
        Ok(Answer { rows: RecordBatch::try_new(self.schema.clone(), vec![ids, names])?, bad: Vec::<BadRow>::new() })
    }

    fn describe(&self) -> String {
        "the users".to_owned()
    }
}
