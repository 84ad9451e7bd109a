//! The columns of a Parquet file as its footer tells them, mended where writers went their own ways.
//!
//! The decoder is strict: it refuses annotations that it does not know or that stand where they should not. Here each
//! column gets the one annotation that says what it is, or none, and its [`Meaning`] is kept for when its values are there.

use super::thrift::{Fault, Kind, ThriftReader, ThriftWriter};

/// Groups within each other at most.
const DEPTH_MAX: usize = 64;
/// Digits of a DECIMAL at most.
const DIGITS_MAX: i32 = 76;

const INT32: i32 = 1;
const INT64: i32 = 2;
const INT96: i32 = 3;
const BYTES: i32 = 6;
pub(super) const FIXED_BYTES: i32 = 7;
/// Names of physical types, by number.
const PHYSICAL: [&str; 8] = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"];

const REQUIRED: i32 = 0;
const REPEATED: i32 = 2;

/// What the bytes of a leaf mean, where the decoder does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What the decoder makes of it.
    Plain,
    /// Text, which the decoder is to check.
    Text,
    /// Nanoseconds of a day and the day's number, as Spark, Hive and Impala write times.
    Int96,
    /// Months, days and milliseconds.
    Interval,
    Uuid,
}

/// How times of twelve bytes are described to the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Int96 {
    /// As such, which is how their zone is found, if Arrow's writers have noted one.
    AsTimes,
    /// As bytes, which is how no digit is lost.
    AsBytes,
}

/// A column without columns within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// `order.items.price`.
    pub(super) path: String,
    pub(super) physical: i32,
    pub(super) meaning: Meaning,
    /// Why it cannot be read, as the end of "column 'a' of 'b.parquet' ".
    pub(super) problem: Option<String>,
}

impl Leaf {
    /// Whether its values have a length of their own.
    pub(super) fn is_of_bytes(&self) -> bool {
        self.physical == BYTES
    }
}

/// An annotation, from either of the two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Text,
    Map,
    List,
    Decimal { scale: i32, precision: i32 },
    Date,
    Time { adjusted: bool, unit: Unit },
    Timestamp { adjusted: bool, unit: Unit },
    Integer { bits: i32, signed: bool },
    Null,
    Bytes,
    Uuid,
    Float16,
    Interval,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Millis,
    Micros,
    Nanos,
}

/// One element of the schema as it stands in the footer.
#[derive(Debug, Default)]
struct Element {
    physical: Option<i32>,
    length: Option<i32>,
    repetition: Option<i32>,
    name: String,
    children: i32,
    converted: Option<i32>,
    scale: Option<i32>,
    precision: Option<i32>,
    logical: Option<Note>,
}

/// An element with those within it.
#[derive(Debug)]
struct Node {
    element: Element,
    children: Vec<Node>,
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    root: Node,
}

impl Columns {
    /// Reads the list of schema elements.
    pub(super) fn read(reader: &mut ThriftReader<'_>, kind: Kind) -> Result<Self, Fault> {
        let mut elements = Vec::new();
        reader.list(kind, |reader, kind| {
            elements.push(read_element(reader, kind)?);
            Ok(())
        })?;
        let mut elements = elements.into_iter();
        let mut root = node(&mut elements, 0)?;
        if elements.next().is_some() {
            return Err("its columns are not one tree".to_owned());
        }
        prune(&mut root);
        name_apart(&mut root);
        Ok(Self { root })
    }

    /// The leaves, in the order of the column chunks.
    pub(super) fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.root.children.iter().for_each(|child| collect_leaves(child, "", &mut leaves));
        leaves
    }

    /// Writes the list of schema elements as field `id`, in a form that the decoder takes. `int96`: as times of twelve bytes
    /// are written, as such or as the bytes that they are.
    pub(super) fn write(&self, writer: &mut ThriftWriter, id: i16, int96: Int96) {
        let mut nodes = vec![];
        flatten(&self.root, &mut nodes);
        writer.structures(id, &nodes, |writer, node| write_element(writer, node, std::ptr::eq(*node, &self.root), int96));
    }
}

fn read_element(reader: &mut ThriftReader<'_>, kind: Kind) -> Result<Element, Fault> {
    ThriftReader::expect_struct(kind)?;
    let mut element = Element::default();
    reader.fields(|reader, id, kind| {
        match id {
            1 => element.physical = Some(reader.small(kind)?),
            2 => element.length = Some(reader.small(kind)?),
            3 => element.repetition = Some(reader.small(kind)?),
            4 => element.name = String::from_utf8_lossy(reader.binary(kind)?).into_owned(),
            5 => element.children = reader.small(kind)?,
            6 => element.converted = Some(reader.small(kind)?),
            7 => element.scale = Some(reader.small(kind)?),
            8 => element.precision = Some(reader.small(kind)?),
            10 => element.logical = read_logical(reader, kind)?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(element)
}

/// The annotation of the newer generation: a union, of which one member is set. `None`: one that is not known.
fn read_logical(reader: &mut ThriftReader<'_>, kind: Kind) -> Result<Option<Note>, Fault> {
    ThriftReader::expect_struct(kind)?;
    let mut note = None;
    reader.fields(|reader, id, kind| {
        note = match id {
            1 | 4 | 12 => Some(Note::Text),
            2 => Some(Note::Map),
            3 => Some(Note::List),
            5 => return read_decimal(reader, kind, &mut note),
            6 => Some(Note::Date),
            7 | 8 => return read_time(reader, kind, id == 7, &mut note),
            10 => return read_integer(reader, kind, &mut note),
            11 => Some(Note::Null),
            13 => Some(Note::Bytes),
            14 => Some(Note::Uuid),
            15 => Some(Note::Float16),
            _ => note,
        };
        reader.skip(kind)
    })?;
    Ok(note)
}

fn read_decimal(reader: &mut ThriftReader<'_>, kind: Kind, note: &mut Option<Note>) -> Result<(), Fault> {
    ThriftReader::expect_struct(kind)?;
    let (mut scale, mut precision) = (0, 0);
    reader.fields(|reader, id, kind| {
        match id {
            1 => scale = reader.small(kind)?,
            2 => precision = reader.small(kind)?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    *note = Some(Note::Decimal { scale, precision });
    Ok(())
}

fn read_time(reader: &mut ThriftReader<'_>, kind: Kind, of_day: bool, note: &mut Option<Note>) -> Result<(), Fault> {
    ThriftReader::expect_struct(kind)?;
    let (mut adjusted, mut unit) = (false, None);
    reader.fields(|reader, id, kind| {
        match id {
            1 => adjusted = reader.truth(kind)?,
            2 => {
                ThriftReader::expect_struct(kind)?;
                reader.fields(|reader, id, kind| {
                    unit = [Unit::Millis, Unit::Micros, Unit::Nanos].get((id as usize).wrapping_sub(1)).copied().or(unit);
                    reader.skip(kind)
                })?;
            }
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    *note = unit.map(|unit| match of_day {
        true => Note::Time { adjusted, unit },
        false => Note::Timestamp { adjusted, unit },
    });
    Ok(())
}

fn read_integer(reader: &mut ThriftReader<'_>, kind: Kind, note: &mut Option<Note>) -> Result<(), Fault> {
    ThriftReader::expect_struct(kind)?;
    let (mut bits, mut signed) = (0, false);
    reader.fields(|reader, id, kind| {
        match id {
            1 => bits = reader.small(kind)?,
            2 => signed = reader.truth(kind)?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    *note = Some(Note::Integer { bits, signed });
    Ok(())
}

/// The next element and, from those after it, what stands within it.
fn node(elements: &mut impl Iterator<Item = Element>, depth: usize) -> Result<Node, Fault> {
    let element = elements.next().ok_or("it names more columns than it has")?;
    if depth > DEPTH_MAX {
        return Err(format!("groups stand within each other more than {DEPTH_MAX} deep"));
    }
    let children = (0..element.children).map(|_| node(elements, depth + 1)).collect::<Result<_, _>>()?;
    Ok(Node { element, children })
}

impl Node {
    fn is_leaf(&self) -> bool {
        self.children.is_empty() && self.element.physical.is_some()
    }

    fn is_repeated(&self) -> bool {
        self.element.repetition == Some(REPEATED)
    }
}

/// Takes out groups without a column within: they hold nothing, and no column chunk belongs to them.
fn prune(node: &mut Node) {
    node.children.iter_mut().for_each(prune);
    node.children.retain(|child| child.is_leaf() || !child.children.is_empty());
}

/// Names of neighbours differ: a second `a` becomes `a_2` if it is column 2, as in text files.
fn name_apart(node: &mut Node) {
    let mut seen = std::collections::HashSet::new();
    for (index, child) in node.children.iter_mut().enumerate() {
        let name = &mut child.element.name;
        if name.is_empty() {
            *name = format!("column_{}", index + 1);
        }
        while !seen.insert(name.clone()) {
            *name = format!("{name}_{}", index + 1);
        }
        name_apart(child);
    }
}

fn flatten<'a>(node: &'a Node, all: &mut Vec<&'a Node>) {
    all.push(node);
    node.children.iter().for_each(|child| flatten(child, all));
}

fn collect_leaves(node: &Node, above: &str, leaves: &mut Vec<Leaf>) {
    let path = if above.is_empty() { node.element.name.clone() } else { format!("{above}.{}", node.element.name) };
    if !node.is_leaf() {
        return node.children.iter().for_each(|child| collect_leaves(child, &path, leaves));
    }
    let physical = node.element.physical.unwrap_or(BYTES);
    let (meaning, problem) = match leaf_note(&node.element) {
        Ok(_) if physical == INT96 => (Meaning::Int96, None),
        Ok(Some(Note::Text)) => (Meaning::Text, None),
        Ok(Some(Note::Interval)) => (Meaning::Interval, None),
        Ok(Some(Note::Uuid)) => (Meaning::Uuid, None),
        Ok(_) => (Meaning::Plain, None),
        Err(problem) => (Meaning::Plain, Some(problem)),
    };
    leaves.push(Leaf { path, physical, meaning, problem });
}

/// The annotation of a leaf; an error if it cannot be what the annotation says.
fn leaf_note(element: &Element) -> Result<Option<Note>, String> {
    let physical = element.physical.unwrap_or(BYTES);
    let Some(name) = usize::try_from(physical).ok().and_then(|index| PHYSICAL.get(index)) else {
        return Err(format!("has the physical type number {physical}, which is not known"));
    };
    let note = note_of(element);
    let fixed = |length| physical == FIXED_BYTES && element.length == Some(length);
    let (fits, what) = match note {
        // Whatever else it says, only times are written so.
        _ if physical == INT96 => return Ok(None),
        None | Some(Note::Null | Note::Map | Note::List) => return Ok(note),
        Some(Note::Decimal { scale, precision }) => return check_decimal(element, scale, precision).map(|()| note),
        Some(Note::Text) => (physical == BYTES, "text"),
        Some(Note::Bytes) => (physical == BYTES, "BSON"),
        Some(Note::Date) => (physical == INT32, "DATE"),
        Some(Note::Time { unit: Unit::Millis, .. }) => (physical == INT32, "TIME in milliseconds"),
        Some(Note::Time { .. }) => (physical == INT64, "TIME"),
        Some(Note::Timestamp { .. }) => (physical == INT64, "TIMESTAMP"),
        Some(Note::Integer { bits: 8 | 16 | 32, .. }) => (physical == INT32, "INTEGER"),
        Some(Note::Integer { bits, .. }) => (physical == INT64 && bits == 64, "INTEGER"),
        Some(Note::Uuid) => (fixed(16), "UUID"),
        Some(Note::Float16) => (fixed(2), "FLOAT16"),
        Some(Note::Interval) => (fixed(12), "INTERVAL"),
    };
    if fits { Ok(note) } else { Err(format!("says that {what} is written as {name}, which the format does not have")) }
}

/// What the newer annotation says, or else the older one. An INTERVAL has only the older one, and some writers set the
/// newer one to UNKNOWN beside it.
fn note_of(element: &Element) -> Option<Note> {
    let old = element.converted.and_then(|number| converted_note(number, element));
    match (old, element.logical) {
        (Some(Note::Interval), _) => old,
        (_, Some(new)) => Some(new),
        (old, None) => old,
    }
}

/// The annotation of the older generation; numbers that are not known mean nothing.
fn converted_note(number: i32, element: &Element) -> Option<Note> {
    let adjusted = true;
    Some(match number {
        0 | 4 | 19 => Note::Text,
        1 | 2 => Note::Map,
        3 => Note::List,
        5 => Note::Decimal { scale: element.scale.unwrap_or(0), precision: element.precision.unwrap_or(0) },
        6 => Note::Date,
        7 => Note::Time { adjusted, unit: Unit::Millis },
        8 => Note::Time { adjusted, unit: Unit::Micros },
        9 => Note::Timestamp { adjusted, unit: Unit::Millis },
        10 => Note::Timestamp { adjusted, unit: Unit::Micros },
        11..=14 => Note::Integer { bits: 8 << (number - 11), signed: false },
        15..=18 => Note::Integer { bits: 8 << (number - 15), signed: true },
        20 => Note::Bytes,
        21 => Note::Interval,
        // Written for columns of NULLs before there was an annotation for them.
        24 => Note::Null,
        _ => return None,
    })
}

fn check_decimal(element: &Element, scale: i32, precision: i32) -> Result<(), String> {
    let length = element.length.unwrap_or(0);
    let digits_max = match element.physical {
        Some(INT32) => 9,
        Some(INT64) => 18,
        Some(BYTES) => DIGITS_MAX,
        // The digits that a signed number of so many bytes can have.
        Some(FIXED_BYTES) if (1..=32).contains(&length) => (f64::from(8 * length - 1) * std::f64::consts::LOG10_2).floor() as i32,
        _ => 0,
    };
    let kind = format!("DECIMAL({precision},{scale})");
    if precision > DIGITS_MAX {
        return Err(format!("is {kind}; {DIGITS_MAX} digits are the most"));
    }
    if precision < 1 || scale < 0 || scale > precision || precision > digits_max {
        return Err(format!("is {kind} in a form that the format does not have"));
    }
    Ok(())
}

/// Whether a group is what it says: lists and maps have a shape. What has another one is read as the groups that are there.
fn group_note(node: &Node) -> Option<Note> {
    let note = match (node.element.logical, node.element.converted) {
        (Some(note @ (Note::Map | Note::List)), _) => note,
        (_, Some(1 | 2)) => Note::Map,
        (_, Some(3)) => Note::List,
        _ => return None,
    };
    let [inner] = node.children.as_slice() else { return None };
    if node.is_repeated() || !inner.is_repeated() {
        return None;
    }
    let is_map = !inner.is_leaf() && inner.children.len() <= 2 && !inner.children.iter().any(Node::is_repeated);
    (note == Note::List || is_map).then_some(note)
}

fn write_element(writer: &mut ThriftWriter, node: &Node, is_root: bool, int96: Int96) {
    let element = &node.element;
    let note = if node.is_leaf() { leaf_note(element).unwrap_or(None) } else { group_note(node) };
    if node.is_leaf() {
        write_physical(writer, element, int96);
    }
    if !is_root {
        writer.small(3, element.repetition.unwrap_or(REQUIRED));
    }
    writer.binary(4, element.name.as_bytes());
    if !node.is_leaf() {
        writer.small(5, node.children.len() as i32);
    }
    match note {
        Some(Note::Map) if !node.is_leaf() => writer.small(6, 1),
        Some(Note::List) if !node.is_leaf() => writer.small(6, 3),
        Some(Note::Decimal { scale, precision }) => {
            writer.small(6, 5);
            writer.small(7, scale);
            writer.small(8, precision);
        }
        Some(note) if node.is_leaf() => write_logical(writer, note),
        _ => {}
    }
}

fn write_physical(writer: &mut ThriftWriter, element: &Element, int96: Int96) {
    match element.physical.unwrap_or(BYTES) {
        INT96 if int96 == Int96::AsBytes => {
            writer.small(1, FIXED_BYTES);
            writer.small(2, 12);
        }
        physical @ 0..=5 => writer.small(1, physical),
        FIXED_BYTES if element.length.is_some_and(|length| length >= 0) => {
            writer.small(1, FIXED_BYTES);
            writer.small(2, element.length.unwrap_or(0));
        }
        _ => writer.small(1, BYTES),
    }
}

/// The newer annotation, for what the decoder is to make something of: times, small integers, NULLs, FLOAT16.
fn write_logical(writer: &mut ThriftWriter, note: Note) {
    let time = |writer: &mut ThriftWriter, adjusted, unit| {
        writer.truth(1, adjusted);
        writer.structure(2, |writer| writer.structure(1 + unit as i16, |_| {}));
    };
    match note {
        Note::Date => writer.structure(10, |writer| writer.structure(6, |_| {})),
        Note::Time { adjusted, unit } => writer.structure(10, |writer| writer.structure(7, |inner| time(inner, adjusted, unit))),
        Note::Timestamp { adjusted, unit } => {
            writer.structure(10, |writer| writer.structure(8, |inner| time(inner, adjusted, unit)));
        }
        Note::Integer { bits, signed } => writer.structure(10, |writer| {
            writer.structure(10, |inner| {
                inner.byte(1, bits as i8);
                inner.truth(2, signed);
            });
        }),
        Note::Null => writer.structure(10, |writer| writer.structure(11, |_| {})),
        Note::Float16 => writer.structure(10, |writer| writer.structure(15, |_| {})),
        _ => {}
    }
}
