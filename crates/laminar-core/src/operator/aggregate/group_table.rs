//! Groups and the state of all their aggregates: what every kind of GROUP BY stands on.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take;

use super::group_copies::{GroupCopies, broken, image_rows};
use super::group_ids::GroupIdAllocator;
use super::group_keys::GroupKeys;
use super::inputs::CallInputs;
use super::namespaces::{Block, Namespace, Numbers, RowNamespaces};
use super::rows::each_valid;
use super::{AggregateCall, Fault, GroupAccumulator, ResultColumn};
use crate::changelog::Weights;
use crate::state::{Ownership, prefetch_groups};
use crate::{Error, Result};

/// Groups by key, numbered from 0, with one accumulator for each aggregate call and the weight of all rows of each group.
///
/// A group lives from the first [`assign`](Self::assign) of its key to its [`release`](Self::release), or until its namespace is
/// [closed](Self::close); its number is then used anew, the lowest first. Without keys there is one group in each namespace, from
/// the first row on.
pub struct GroupTable {
    keys: GroupKeys,
    numbers: Numbers,
    weights: Vec<i64>,
    calls: Vec<Call>,
    /// What checkpoints have of it, and what is copied already for the next one.
    pub(super) copies: Option<GroupCopies>,
}

/// How the result of an aggregate call comes about.
enum Call {
    /// `count(*)`: the weight of the group's rows, which the table keeps anyway.
    Rows,
    /// By an accumulator.
    Own(Box<dyn GroupAccumulator>),
}

impl Call {
    fn new(call: &AggregateCall, retracts: bool) -> Result<Self> {
        match call.function.is_count() && call.args.is_empty() && call.filter.is_none() {
            true => Ok(Call::Rows),
            false => call.function.accumulator(retracts).map(Call::Own),
        }
    }
}

impl GroupTable {
    /// An empty table. `retracts`: whether weights other than +1 can come.
    pub fn new(key_types: &[DataType], calls: &[AggregateCall], retracts: bool) -> Result<Self> {
        let calls = calls.iter().map(|call| Call::new(call, retracts)).collect::<Result<_>>()?;
        Ok(Self {
            keys: GroupKeys::new(key_types, !retracts)?,
            numbers: Numbers::default(),
            weights: Vec::new(),
            calls,
            copies: None,
        })
    }

    /// The group of each of `rows` rows with these keys in the first namespace. New keys get new, empty groups. NULL is a key like
    /// any other.
    pub fn assign(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        self.assign_in(RowNamespaces::One(Namespace::FIRST), keys, rows)
    }

    /// The same, each row in its namespace.
    pub fn assign_in(&mut self, namespaces: RowNamespaces<'_>, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        debug_assert!(keys.iter().all(|key| key.len() == rows), "one key a row");
        let groups = self.keys.assign(keys, rows, namespaces, &mut self.numbers)?;
        self.make_room();
        self.note_changed(&groups);
        Ok(groups)
    }

    /// Remembers that these groups are, or are about to be, other than they were copied.
    #[inline]
    fn note_changed(&mut self, groups: &[u32]) {
        if let Some(copies) = &mut self.copies {
            copies.note_changed(groups);
        }
    }

    fn make_room(&mut self) {
        let groups = self.end();
        if groups > self.weights.len() {
            self.weights.resize(groups, 0);
            self.accumulators().for_each(|accumulator| accumulator.resize(groups));
        }
    }

    fn accumulators(&mut self) -> impl Iterator<Item = &mut Box<dyn GroupAccumulator>> {
        self.calls.iter_mut().filter_map(|call| match call {
            Call::Rows => None,
            Call::Own(accumulator) => Some(accumulator),
        })
    }

    /// A new namespace without groups.
    pub fn open(&mut self) -> Namespace {
        self.numbers.open()
    }

    /// The groups of an open namespace but the first.
    pub fn groups_in(&self, namespace: Namespace) -> Vec<u32> {
        let (listed, block) = self.numbers.members(namespace);
        let mut groups = listed.to_vec();
        groups.extend(self.with_rows(block));
        groups
    }

    /// How many they are at most.
    pub fn count_in(&self, namespace: Namespace) -> usize {
        let (listed, block) = self.numbers.members(namespace);
        listed.len() + block.len()
    }

    /// Those groups of a block that have rows.
    fn with_rows(&self, block: Block) -> impl Iterator<Item = u32> + '_ {
        let weights = &self.weights[block.start as usize..block.end as usize];
        block.zip(weights).filter(|(_, weight)| **weight != 0).map(|(group, _)| group)
    }

    /// Forgets a namespace but the first, with all its groups.
    pub fn close(&mut self, namespace: Namespace) {
        let (mut groups, block) = self.numbers.close(namespace);
        let listed = groups.len();
        groups.extend(self.with_rows(block));
        self.keys.close(namespace, groups.len() - listed);
        self.clear(&groups);
    }

    fn clear(&mut self, groups: &[u32]) {
        self.note_changed(groups);
        self.accumulators().for_each(|accumulator| accumulator.clear(groups));
        groups.iter().for_each(|group| self.weights[*group as usize] = 0);
    }

    /// Says that the state of `groups`, some hundred of them at most, is needed next.
    pub(in crate::operator) fn prefetch(&self, groups: &[u32]) {
        prefetch_groups(&self.weights, groups);
        for call in &self.calls {
            if let Call::Own(accumulator) = call {
                accumulator.prefetch(groups);
            }
        }
    }

    /// Adds row `i` of `inputs` with its weight to group `groups[i]`.
    pub fn update(&mut self, inputs: &CallInputs, weights: &Weights, groups: &[u32]) -> Result<()> {
        debug_assert_eq!(inputs.rows(), groups.len(), "one group a row");
        self.add_weights(weights, groups);
        for (call, input) in self.calls.iter_mut().zip(inputs.calls()) {
            let Call::Own(accumulator) = call else { continue };
            match &input.selected {
                None => accumulator.update(&input.args, weights, groups)?,
                Some(rows) => accumulator.update(&input.args, &weights.take(rows), &pick(groups, rows))?,
            }
        }
        Ok(())
    }

    fn add_weights(&mut self, weights: &Weights, groups: &[u32]) {
        each_valid(None, weights, groups, |_, group, weight| self.weights[group] += weight);
    }

    /// The weight of all rows of `group`; 0: it has none.
    pub fn weight(&self, group: u32) -> i64 {
        self.weights[group as usize]
    }

    /// The keys of `groups`, one column a key.
    pub fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.keys.columns(groups)
    }

    /// The results of `groups`, one column a call. What cannot be computed is NULL and reported; a position that has
    /// several faults is reported several times.
    pub fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<Vec<ArrayRef>> {
        let weights = &self.weights;
        let result = |call: &mut Call| match call {
            Call::Rows => Ok(Arc::new(groups.iter().map(|group| weights[*group as usize]).collect::<Int64Array>()) as ArrayRef),
            Call::Own(accumulator) => accumulator.results(groups, faults),
        };
        self.calls.iter_mut().map(result).collect()
    }

    /// Appends the keys of `groups` to the first columns, one a key.
    pub(in crate::operator) fn append_keys(&self, groups: &[u32], columns: &mut [ResultColumn]) -> Result<()> {
        self.keys.append(groups, &mut columns[..self.keys.width()])
    }

    /// Appends what [`results`](Self::results) gives to one column a call.
    pub(in crate::operator) fn append_results(
        &mut self,
        groups: &[u32],
        columns: &mut Vec<ResultColumn>,
        faults: &mut Vec<Fault>,
    ) -> Result<()> {
        columns.resize_with(self.calls.len(), ResultColumn::default);
        let weights = groups.iter().map(|group| Some(self.weights[*group as usize]));
        for (call, column) in self.calls.iter_mut().zip(columns) {
            match call {
                Call::Rows => column.append_words(&DataType::Int64, weights.clone()),
                Call::Own(accumulator) => column.append(accumulator.as_mut(), groups, faults)?,
            }
        }
        Ok(())
    }

    /// Adds groups of another table of the same kind to those of the same keys in the first namespace here, and says which they
    /// are.
    pub fn merge_from(&mut self, other: &GroupTable, groups_of_other: &[u32]) -> Result<Vec<u32>> {
        let groups = self.keys.assign_from(&other.keys, groups_of_other, &mut self.numbers)?;
        self.make_room();
        self.merge_into(other, groups_of_other, &groups)?;
        Ok(groups)
    }

    /// Adds group `from[i]` of another table of the same calls to group `into[i]` here, whatever their keys are.
    pub fn merge_into(&mut self, other: &GroupTable, from: &[u32], into: &[u32]) -> Result<()> {
        self.note_changed(into);
        for (from, into) in from.iter().zip(into) {
            self.weights[*into as usize] += other.weights[*from as usize];
        }
        for (accumulator, theirs) in pairs(&mut self.calls, &other.calls) {
            accumulator.merge(theirs, from, into)?;
        }
        Ok(())
    }

    /// Puts the groups of an [`image_of`](Self::image_of) another table into a `fresh` one of the same kind, numbered by row and without
    /// keys, and gives the groups of the same keys in `namespace` here: what [`merge_all`](Self::merge_all) takes.
    pub fn assign_image(&mut self, namespace: Namespace, image: &RecordBatch, fresh: &mut GroupTable) -> Result<Vec<u32>> {
        let (keys, accumulators) = fresh.restore_weights(image.columns())?;
        fresh.restore_accumulators(accumulators)?;
        self.assign_in(RowNamespaces::One(namespace), keys, image.num_rows())
    }

    /// Adds group `i` of another table of the same calls to group `into[i]` here.
    pub fn merge_all(&mut self, other: &GroupTable, into: &[u32]) -> Result<()> {
        let from: Vec<u32> = (0u32..).take(into.len()).collect();
        self.merge_into(other, &from, into)
    }

    /// Where the keys stand in an [`image_of`](Self::image_of) groups.
    pub fn image_keys(&self) -> Range<usize> {
        1..1 + self.keys.width()
    }

    /// The rows of an [`image_of`](Self::image_of) groups together.
    pub fn image_weight(image: &RecordBatch) -> i64 {
        image
            .columns()
            .first()
            .and_then(|weights| weights.as_primitive_opt::<Int64Type>())
            .map_or(0, |weights| weights.values().iter().sum())
    }

    /// Whether [`take_out`](Self::take_out) works for all aggregates.
    pub fn can_take_out(&mut self) -> bool {
        self.accumulators().all(|accumulator| accumulator.can_take_out())
    }

    /// Takes out what [`merge_from`](Self::merge_from) added, and forgets the groups that have no rows any more. All rows
    /// must have been insertions.
    pub fn take_out(&mut self, other: &GroupTable, groups_of_other: &[u32]) -> Result<()> {
        let groups = self.keys.assign_from(&other.keys, groups_of_other, &mut self.numbers)?;
        debug_assert_eq!(self.weights.len(), self.end(), "all groups were merged before");
        self.note_changed(&groups);
        for (from, into) in groups_of_other.iter().zip(&groups) {
            self.weights[*into as usize] -= other.weights[*from as usize];
        }
        for (accumulator, theirs) in pairs(&mut self.calls, &other.calls) {
            accumulator.take_out(theirs, groups_of_other, &groups)?;
        }
        let empty: Vec<u32> = groups.into_iter().filter(|group| self.weight(*group) == 0).collect();
        self.release(&empty);
        Ok(())
    }

    /// Forgets `groups` of the first namespace, each of which must be live; their numbers will be used anew.
    pub fn release(&mut self, groups: &[u32]) {
        self.keys.remove(groups);
        self.clear(groups);
        self.numbers.ids.give_back(groups);
    }

    /// The numbers of all groups, ascending.
    pub fn groups(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers.ids.live()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.numbers.ids.len()
    }

    /// True if there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past the highest group number so far: the size of a column indexed by group number.
    pub fn end(&self) -> usize {
        self.numbers.ids.end()
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        let accumulators = self.calls.iter().map(|call| match call {
            Call::Rows => 0,
            Call::Own(accumulator) => accumulator.bytes(),
        });
        let copies = self.copies.as_ref().map_or(0, GroupCopies::bytes);
        self.keys.bytes() + self.weights.capacity() * 8 + self.numbers.bytes() + accumulators.sum::<usize>() + copies
    }

    /// The state, one row for each group number: whether it is live, its weight, its keys, then the accumulators' columns.
    /// Namespaces are not part of it, see [`image_of`](Self::image_of).
    pub fn image(&self) -> Result<RecordBatch> {
        self.image_of_numbers(&(0..self.end() as u32).collect::<Vec<_>>())
    }

    /// The rows of the [image](Self::image) that these numbers have.
    pub(super) fn image_of_numbers(&self, numbers: &[u32]) -> Result<RecordBatch> {
        let live: Vec<u32> = numbers.iter().copied().filter(|group| self.numbers.ids.is_live(*group)).collect();
        let weights = numbers.iter().map(|group| self.weights[*group as usize]);
        let is_live: BooleanArray = numbers.iter().map(|group| Some(self.numbers.ids.is_live(*group))).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(is_live.clone()), Arc::new(Int64Array::from_iter_values(weights))];
        let mut keys = self.keys.columns(&live)?;
        if live.len() < numbers.len() {
            // A number that is not in use has no key; it repeats the NULL that `take` gives for no row.
            let mut next = 0_u32..;
            let places: UInt32Array = is_live.values().iter().map(|is_live| if is_live { next.next() } else { None }).collect();
            keys = keys.iter().map(|key| Ok(take(key, &places, None)?)).collect::<Result<_>>()?;
        }
        columns.extend(keys);
        columns.extend(self.accumulator_images(numbers)?);
        image_rows(columns, numbers.len())
    }

    /// The state of these groups, one row each: its weight, its keys, then the accumulators' columns.
    pub fn image_of(&self, groups: &[u32]) -> Result<RecordBatch> {
        let weights: Int64Array = groups.iter().map(|group| self.weight(*group)).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(weights)];
        columns.extend(self.keys.columns(groups)?);
        columns.extend(self.accumulator_images(groups)?);
        image_rows(columns, groups.len())
    }

    fn accumulator_images(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let images = self.calls.iter().map(|call| match call {
            Call::Rows => Ok(Vec::new()),
            Call::Own(accumulator) => accumulator.image_of(groups),
        });
        Ok(images.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Replaces the state of a fresh table by that of an image; group numbers stay.
    pub fn restore(&mut self, image: &RecordBatch) -> Result<()> {
        let [live, columns @ ..] = image.columns() else { return Err(broken()) };
        let live: Vec<bool> = live.as_boolean_opt().ok_or_else(broken)?.iter().map(|live| live == Some(true)).collect();
        let (keys, accumulators) = self.restore_weights(columns)?;
        self.keys.restore(keys, &live)?;
        self.numbers = Numbers::with_ids(GroupIdAllocator::from_live(&live));
        self.restore_accumulators(accumulators)
    }

    /// Replaces the state of a fresh table by what `owned` says of the images of several, which have no group in common. The only image,
    /// of which all is owned, keeps its group numbers.
    pub fn restore_parts(&mut self, images: &[&RecordBatch], owned: &Ownership) -> Result<()> {
        if let ([image], Ownership::All) = (images, owned) {
            return self.restore(image);
        }
        let parts = images.iter().map(|image| self.owned_groups(image, owned)).collect::<Result<Vec<_>>>()?;
        match parts.iter().find(|part| part.num_rows() > 0) {
            Some(some) => self.restore(&concat_batches(some.schema_ref(), parts.iter().filter(|part| part.num_rows() > 0))?),
            None => Ok(()),
        }
    }

    /// The rows of an [`image`](Self::image) that are groups, and owned.
    fn owned_groups(&self, image: &RecordBatch, owned: &Ownership) -> Result<RecordBatch> {
        let live = image.columns().first().and_then(|live| live.as_boolean_opt()).ok_or_else(broken)?;
        let groups = filter_record_batch(image, live)?;
        let keys = groups.columns().get(2..2 + self.keys.width()).ok_or_else(broken)?;
        Ok(filter_record_batch(&groups, &owned.owned(keys, groups.num_rows())?)?)
    }

    /// The rows of an [`image_of`](Self::image_of) groups that are owned.
    pub(in crate::operator) fn owned_rows(&self, image: &RecordBatch, owned: &Ownership) -> Result<RecordBatch> {
        let keys = image.columns().get(self.image_keys()).ok_or_else(broken)?;
        Ok(filter_record_batch(image, &owned.owned(keys, image.num_rows())?)?)
    }

    /// Puts the groups of [`image_of`](Self::image_of) into namespaces of a fresh table: so many into each, in their order.
    pub fn restore_in(&mut self, namespaces: &[(Namespace, usize)], image: &RecordBatch) -> Result<()> {
        let (keys, accumulators) = self.restore_weights(image.columns())?;
        let mut end = 0;
        for (namespace, groups) in namespaces {
            let own: Vec<ArrayRef> = keys.iter().map(|key| key.slice(end, *groups)).collect();
            let assigned = self.keys.assign(&own, *groups, RowNamespaces::One(*namespace), &mut self.numbers)?;
            if !assigned.into_iter().map(|group| group as usize).eq(end..end + groups) {
                return Err(Error::internal("a group table's image has a key twice"));
            }
            end += groups;
        }
        if end != image.num_rows() {
            return Err(broken());
        }
        self.restore_accumulators(accumulators)
    }

    /// Takes the weights of an image; its columns of keys, and those of accumulators.
    fn restore_weights<'a>(&mut self, columns: &'a [ArrayRef]) -> Result<(&'a [ArrayRef], &'a [ArrayRef])> {
        let [weights, columns @ ..] = columns else { return Err(broken()) };
        self.weights = weights.as_primitive_opt::<Int64Type>().ok_or_else(broken)?.values().to_vec();
        columns.split_at_checked(self.keys.width()).ok_or_else(broken)
    }

    fn restore_accumulators(&mut self, mut columns: &[ArrayRef]) -> Result<()> {
        for accumulator in self.accumulators() {
            let width = accumulator.image_of(&[])?.len();
            let (own, rest) = columns.split_at_checked(width).ok_or_else(broken)?;
            accumulator.restore(own)?;
            columns = rest;
        }
        Ok(())
    }
}

/// The accumulators of two tables with the same calls.
fn pairs<'a>(
    ours: &'a mut [Call],
    theirs: &'a [Call],
) -> impl Iterator<Item = (&'a mut Box<dyn GroupAccumulator>, &'a dyn GroupAccumulator)> {
    ours.iter_mut().zip(theirs).filter_map(|pair| match pair {
        (Call::Own(ours), Call::Own(theirs)) => Some((ours, theirs.as_ref())),
        _ => None,
    })
}

/// The groups of the rows at `rows`.
fn pick(groups: &[u32], rows: &UInt32Array) -> Vec<u32> {
    rows.values().iter().map(|row| groups[*row as usize]).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray};
    use arrow_schema::{Field, Schema};

    use super::*;
    use crate::expr::Column;
    use crate::operator::aggregate::native;

    fn calls() -> Vec<AggregateCall> {
        let schema = Schema::new(vec![Field::new("x", DataType::Int64, true)]);
        let call = |name: &str, args: Vec<_>| {
            let types: Vec<_> = args.iter().map(|_| DataType::Int64).collect();
            let function = native(name, &types, &[], false).unwrap().unwrap();
            AggregateCall { function, args, filter: None, name: name.into() }
        };
        vec![call("count", vec![]), call("sum", vec![Column::new(&schema, 0)])]
    }

    fn add(table: &mut GroupTable, key: ArrayRef, xs: Vec<i64>, weights: Vec<i64>) -> Vec<u32> {
        let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(xs)) as ArrayRef)]).unwrap();
        let groups = table.assign(&[key], rows.num_rows()).unwrap();
        let inputs = CallInputs::evaluate(&calls(), &rows).unwrap();
        table.update(&inputs, &Weights::Each(weights.into()), &groups).unwrap();
        groups
    }

    /// The table as `key weight count sum`, one line a group, in the order of the numbers.
    fn show(table: &mut GroupTable) -> String {
        let groups: Vec<u32> = table.groups().collect();
        let mut columns = table.keys(&groups).unwrap();
        columns.extend(table.results(&groups, &mut Vec::new()).unwrap());
        let text = |column: &ArrayRef, row| arrow_cast::display::array_value_to_string(column, row).unwrap();
        let line = |(row, group): (usize, &u32)| {
            let values: Vec<_> = columns.iter().map(|column| text(column, row)).collect();
            format!("{group}: {} [{}]", values.join(" "), table.weight(*group))
        };
        groups.iter().enumerate().map(line).collect::<Vec<_>>().join("; ")
    }

    fn check(key: impl Fn(Vec<Option<i32>>) -> ArrayRef, expected: [&str; 4]) {
        let key = |keys: &[i32]| key(keys.iter().map(|key| (*key != 0).then_some(*key)).collect());
        let key_type = key(&[1]).data_type().clone();
        let mut table = GroupTable::new(std::slice::from_ref(&key_type), &calls(), true).unwrap();
        assert_eq!(add(&mut table, key(&[7, 0, 7, 8]), vec![1, 2, 3, 4], vec![1, 1, 2, -1]), [0, 1, 0, 2]);
        assert_eq!(show(&mut table), expected[0], "after the first batch");
        table.release(&[1, 0]);
        assert_eq!(show(&mut table), expected[1], "after a release");
        assert_eq!(add(&mut table, key(&[9, 0, 7]), vec![1, 2, 3], vec![1, 1, 1]), [0, 1, 3]);
        assert_eq!(show(&mut table), expected[2], "with numbers used anew");
        table.release(&[1]);
        let mut again = GroupTable::new(std::slice::from_ref(&key_type), &calls(), true).unwrap();
        again.restore(&table.image().unwrap()).unwrap();
        assert_eq!(show(&mut again), show(&mut table), "restored");
        let mut other = GroupTable::new(&[key_type], &calls(), true).unwrap();
        add(&mut other, key(&[0, 5, 9]), vec![10, 20, 30], vec![1, 1, 1]);
        assert_eq!(again.merge_from(&other, &[2, 0, 1]).unwrap(), [0, 1, 4]);
        assert_eq!(show(&mut again), expected[3], "merged");
    }

    #[test]
    fn groups_by_a_number() {
        check(
            |keys| Arc::new(arrow_array::Int32Array::from(keys)),
            [
                "0: 7 3 7 [3]; 1:  1 2 [1]; 2: 8 -1 -4 [-1]",
                "2: 8 -1 -4 [-1]",
                "0: 9 1 1 [1]; 1:  1 2 [1]; 2: 8 -1 -4 [-1]; 3: 7 1 3 [1]",
                "0: 9 2 31 [2]; 1:  1 10 [1]; 2: 8 -1 -4 [-1]; 3: 7 1 3 [1]; 4: 5 1 20 [1]",
            ],
        );
    }

    #[test]
    fn groups_by_a_text() {
        check(
            |keys| Arc::new(keys.into_iter().map(|key| key.map(|key| format!("k{key}"))).collect::<StringArray>()),
            [
                "0: k7 3 7 [3]; 1:  1 2 [1]; 2: k8 -1 -4 [-1]",
                "2: k8 -1 -4 [-1]",
                "0: k9 1 1 [1]; 1:  1 2 [1]; 2: k8 -1 -4 [-1]; 3: k7 1 3 [1]",
                "0: k9 2 31 [2]; 1:  1 10 [1]; 2: k8 -1 -4 [-1]; 3: k7 1 3 [1]; 4: k5 1 20 [1]",
            ],
        );
    }

    #[test]
    fn groups_by_anything() {
        check(
            |keys| Arc::new(keys.into_iter().map(|key| key.map(f64::from)).collect::<Float64Array>()),
            [
                "0: 7.0 3 7 [3]; 1:  1 2 [1]; 2: 8.0 -1 -4 [-1]",
                "2: 8.0 -1 -4 [-1]",
                "0: 9.0 1 1 [1]; 1:  1 2 [1]; 2: 8.0 -1 -4 [-1]; 3: 7.0 1 3 [1]",
                "0: 9.0 2 31 [2]; 1:  1 10 [1]; 2: 8.0 -1 -4 [-1]; 3: 7.0 1 3 [1]; 4: 5.0 1 20 [1]",
            ],
        );
    }

    #[test]
    fn both_zeros_are_one_key_and_all_nans_are_another() {
        let mut table = GroupTable::new(&[DataType::Float64], &[], false).unwrap();
        let key = Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, 1.0]);
        assert_eq!(table.assign(&[Arc::new(key)], 5).unwrap(), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn without_keys_there_is_one_group_from_the_first_row_on() {
        let mut table = GroupTable::new(&[], &[], false).unwrap();
        assert_eq!((table.assign(&[], 0).unwrap(), table.len()), (vec![], 0));
        assert_eq!((table.assign(&[], 2).unwrap(), table.len()), (vec![0, 0], 1));
    }
}
