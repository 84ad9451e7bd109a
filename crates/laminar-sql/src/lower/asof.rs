//! ASOF joins.

use laminar_core::Result;
use laminar_core::dag::{AsofJoinSpec, JoinType, NodeKind};

use super::key_columns::KeyColumns;
use super::{Lowered, Lowering, edge_schema};
use crate::plan::nodes::AsofJoin;

impl Lowering {
    pub(super) fn asof_join(&mut self, join: &AsofJoin) -> Result<Lowered> {
        let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
        let widths = [&left, &right].map(|side| side.edge.schema.fields().len());
        let (mut of_left, mut of_right) = (KeyColumns::new(join.left.schema()), KeyColumns::new(join.right.schema()));
        let left_keys = join.keys.iter().map(|(key, _)| of_left.column(key)).collect();
        let right_keys = join.keys.iter().map(|(_, key)| of_right.column(key)).collect();
        let (left_time, right_time) = (of_left.column(&join.times.0), of_right.column(&join.times.1));
        let (left, right) = (self.with_keys(left, &of_left)?, self.with_keys(right, &of_right)?);
        let times = left.edge.time_column(left_time).zip(right.edge.time_column(right_time));
        let spec = AsofJoinSpec {
            join_type: if join.is_outer { JoinType::Left } else { JoinType::Inner },
            direction: join.direction.into(),
            strict: join.strict,
            left_keys,
            right_keys,
            left_time,
            right_time,
            tolerance: join.tolerance,
            times: times.map(|(left, right)| [left, right]),
        };
        let schema = spec.join_type.output_schema(&left.edge.schema, &right.edge.schema);
        let first = left.edge.schema.fields().len();
        let joined = self.add(NodeKind::AsofJoin(spec), &[&left, &right], schema.into());
        let columns: Vec<usize> = (0..widths[0]).chain(first..first + widths[1]).collect();
        Ok(self.picked(joined, &columns, edge_schema(&join.schema)))
    }
}
