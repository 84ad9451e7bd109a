//! The right answer: DataFusion runs a query over tables whose rows can be exchanged between two runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use laminar_core::{Code, Error, Result};
use tokio::runtime::Runtime;

/// Tables and the engine that answers over them. Planning a query costs milliseconds, running it again microseconds;
/// so a query is prepared once and run over many contents.
pub struct BatchOracle {
    session: SessionContext,
    runtime: Arc<Runtime>,
    tables: Vec<(String, Arc<Contents>)>,
}

/// A planned query.
pub struct BatchQuery {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    runtime: Arc<Runtime>,
}

impl BatchOracle {
    /// Empty tables of these names and types.
    ///
    /// # Errors
    /// If a name is there twice.
    pub fn new(tables: impl IntoIterator<Item = (String, SchemaRef)>) -> Result<Self> {
        // One partition: spreading five rows over threads would only cost time.
        let mut config = SessionConfig::new().with_target_partitions(1);
        let options = config.options_mut();
        options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
        // A plan with dynamic filters cannot be run twice.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        let session = SessionContext::new_with_config(config);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut oracle = Self { session, runtime: Arc::new(runtime), tables: Vec::new() };
        tables.into_iter().try_for_each(|(name, schema)| oracle.create(name, schema))?;
        Ok(oracle)
    }

    fn create(&mut self, name: String, schema: SchemaRef) -> Result<()> {
        let contents = Arc::new(Contents { schema: schema.clone(), rows: Mutex::default() });
        let table = StreamingTable::try_new(schema, vec![contents.clone()]).map_err(refused)?;
        let before = self.session.register_table(name.as_str(), Arc::new(table)).map_err(refused)?;
        if before.is_some() {
            return Err(Error::new(Code::ObjectExists, format!("table '{name}' exists twice")));
        }
        self.tables.push((name, contents));
        Ok(())
    }

    /// Replaces the rows of a table.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn set(&self, table: &str, rows: Vec<RecordBatch>) {
        let (_, contents) = self.tables.iter().find(|(name, _)| name == table).expect("the table exists");
        *contents.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    /// Plans a query.
    ///
    /// # Errors
    /// If DataFusion refuses it.
    pub fn prepare(&self, sql: &str) -> Result<BatchQuery> {
        let plan = async { self.session.sql(sql).await?.create_physical_plan().await };
        let plan = self.runtime.block_on(plan).map_err(|error| refused(error).with_detail(sql))?;
        Ok(BatchQuery { plan, context: self.session.task_ctx(), runtime: self.runtime.clone() })
    }
}

impl BatchQuery {
    /// The answer over what the tables hold now.
    ///
    /// # Errors
    /// If a value overflows or cannot be cast.
    pub fn run(&self) -> Result<Vec<RecordBatch>> {
        // Joins keep the side that they read first; without a reset they would answer from the rows of the last run.
        let fresh = reset_plan_states(self.plan.clone()).map_err(refused)?;
        self.runtime.block_on(collect(fresh, self.context.clone())).map_err(refused)
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }
}

fn refused(error: DataFusionError) -> Error {
    Error::new(Code::InvalidQuery, format!("the oracle refuses: {error}"))
}

/// The rows of a table, to be exchanged at any time.
struct Contents {
    schema: SchemaRef,
    rows: Mutex<Vec<RecordBatch>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exchangeable rows")
    }
}

impl PartitionStream for Contents {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stream = MemoryStream::try_new(rows, self.schema.clone(), None);
        Box::pin(stream.expect("the rows have the schema of their table"))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::compare::bag_of_rows;
    use crate::random::Cell;

    fn batch(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("a", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef, true)]).unwrap()
    }

    fn oracle() -> BatchOracle {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        BatchOracle::new(["t", "u"].map(|name| (name.to_owned(), schema.clone()))).unwrap()
    }

    #[test]
    fn a_prepared_query_answers_over_new_rows() {
        for (sql, expected) in [
            ("SELECT SUM(a) FROM t", [10, 100]),
            ("SELECT SUM(t.a) FROM t JOIN u ON t.a = u.a", [3, 100]),
            ("SELECT COUNT(*) FROM t WHERE a IN (SELECT a FROM u)", [1, 1]),
            ("SELECT SUM(a) FROM (SELECT a FROM t EXCEPT SELECT a FROM u) AS rest", [7, 0]),
            ("SELECT MAX(t.a + u.a) FROM t, u", [10, 200]),
            ("SELECT MAX(n) FROM (SELECT ROW_NUMBER() OVER (ORDER BY a) AS n FROM t) AS numbered", [2, 1]),
        ] {
            let oracle = oracle();
            let query = oracle.prepare(sql).unwrap();
            for (rows, expected) in [(([7, 3].as_slice(), [3].as_slice()), expected[0]), ((&[100], &[100]), expected[1])] {
                oracle.set("t", vec![batch(rows.0)]);
                oracle.set("u", vec![batch(rows.1)]);
                let answer = bag_of_rows(&query.run().unwrap()).unwrap();
                let value = answer.keys().next().map(|row| row[0].clone());
                let expected = if expected == 0 { Cell::Null } else { Cell::Int(expected) };
                assert_eq!(value, Some(expected), "{sql}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_query() {
        let error = oracle().prepare("SELECT nothing FROM t").err().unwrap();
        assert!(error.message().contains("nothing"), "{error}");
        assert_eq!(error.detail(), Some("SELECT nothing FROM t"));
    }
}
