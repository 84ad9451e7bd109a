//! Columns that stand in the path: `year=2024/month=05/x.parquet` has the columns `year` and `month`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use chrono::NaiveDate;
use laminar_core::{Code, Error, Result};

use super::parquet_file::is_finished;
use super::paths::key_of;
use super::sample::schema_of;
use super::settings::{HivePartitioning, SourceSettings};
use super::text_file::Rows;
use crate::formats::Format;
use crate::formats::cell::{Cell, CellOptions};
use crate::formats::names::find_column;
use crate::formats::row_builder::RowBuilder;
use crate::formats::type_name::type_name;

/// What Hive and Spark write for a value that is NULL.
const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns of a source, and which of them stand in the files and which in their paths.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    all: SchemaRef,
    in_files: SchemaRef,
    /// Those of the paths.
    in_paths: SchemaRef,
    /// The key of each of these.
    keys: Vec<String>,
    /// For each of all columns, where it stands.
    origins: Vec<Origin>,
    cells: CellOptions,
    sum: u32,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    /// The column of the file with this index.
    File(usize),
    /// The column of the path with this index.
    Path(usize),
}

impl Columns {
    /// The columns that were declared. One that the paths have as a key comes from there, if the files do not have it.
    pub(super) fn declared(all: SchemaRef, files: &[PathBuf], settings: &SourceSettings) -> Result<Self> {
        let mut keys = keys_of_all(files, settings)?;
        keys.retain(|key| all.fields().iter().any(|field| is_key(field, key)));
        if settings.hive_partitioning == HivePartitioning::Auto && !keys.is_empty() {
            let in_file = first_schema(files, settings)?;
            keys.retain(|key| !in_file.iter().any(|schema| has_column(schema, key)));
        }
        let columns = Self::new(all, keys, settings);
        if columns.in_files.fields().is_empty() && !columns.in_paths.fields().is_empty() {
            return Err(Error::new(Code::InvalidOption, "all declared columns stand in the paths, and none in the files")
                .with_hint("declare a column of the files too"));
        }
        Ok(columns)
    }

    /// The columns that were found in the files, then those of their paths.
    pub(super) fn found(in_files: &Schema, files: &[PathBuf], settings: &SourceSettings) -> Result<Self> {
        let mut keys = keys_of_all(files, settings)?;
        if settings.hive_partitioning == HivePartitioning::Auto {
            keys.retain(|key| !has_column(in_files, key));
        }
        let own = in_files.fields().iter().filter(|field| !keys.iter().any(|key| is_key(field, key))).cloned();
        let told = keys.iter().map(|key| Arc::new(Field::new(key, type_of(key, files), true)));
        let fields: Vec<_> = own.chain(told).collect();
        let all = Arc::new(Schema::new_with_metadata(fields, in_files.metadata().clone()));
        Ok(Self::new(all, keys, settings))
    }

    fn new(all: SchemaRef, keys: Vec<String>, settings: &SourceSettings) -> Self {
        let (mut in_files, mut in_paths, mut origins, mut used) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for field in all.fields() {
            match keys.iter().find(|key| is_key(field, key)) {
                Some(key) => {
                    origins.push(Origin::Path(in_paths.len()));
                    in_paths.push(field.clone());
                    used.push(key.clone());
                }
                None => {
                    origins.push(Origin::File(in_files.len()));
                    in_files.push(field.clone());
                }
            }
        }
        let in_files = if in_paths.is_empty() { all.clone() } else { Arc::new(Schema::new(in_files)) };
        let sum = sum_of(&all, &used);
        Self { all, in_files, in_paths: Arc::new(Schema::new(in_paths)), keys: used, origins, cells: settings.cells, sum }
    }

    /// All columns, in their order.
    pub(super) fn all(&self) -> &SchemaRef {
        &self.all
    }

    /// A sum over their names and types, and over which of them stand in the paths: a reader with other columns cannot go on
    /// where one with these stood.
    pub(super) fn sum(&self) -> u32 {
        self.sum
    }

    /// The columns that files must have.
    pub(super) fn in_files(&self) -> &SchemaRef {
        &self.in_files
    }

    /// The values that the path of a file tells, one row.
    pub(super) fn told_by(&self, file: &Path) -> Result<Vec<ArrayRef>> {
        if self.keys.is_empty() {
            return Ok(Vec::new());
        }
        let told = values_of(file);
        let mut row = RowBuilder::new(self.in_paths.clone(), self.cells)?;
        let value = |column: usize| match told.iter().find(|(key, _)| *key == self.keys[column]) {
            Some((_, None)) => Ok(Cell::Null),
            Some((_, Some(value))) => Ok(Cell::Text(value.as_str().into())),
            None => Err(format!("the path has no '{}=…'", self.keys[column])),
        };
        row.append(value).map_err(|reason| {
            Error::new(Code::BadData, format!("the path of '{}' does not tell its columns: {reason}", file.display()))
                .with_hint("declare the column with a type that fits, or set hive_partitioning = 'false'")
        })?;
        Ok(row.finish()?.columns().to_vec())
    }

    /// Puts the values of the path beside the rows of its file.
    pub(super) fn complete(&self, rows: Rows, told: &[ArrayRef]) -> Result<Rows> {
        if self.keys.is_empty() {
            return Ok(rows);
        }
        let count = rows.rows.num_rows();
        let first = UInt64Array::from(vec![0; count]);
        let repeated = told.iter().map(|value| take(value, &first, None)).collect::<Result<Vec<_>, _>>()?;
        let column = |origin: &Origin| match origin {
            Origin::File(index) => rows.rows.column(*index).clone(),
            Origin::Path(index) => repeated[*index].clone(),
        };
        let columns = self.origins.iter().map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(Rows { rows: RecordBatch::try_new_with_options(self.all.clone(), columns, &options)?, bad: rows.bad })
    }
}

fn sum_of(all: &Schema, keys: &[String]) -> u32 {
    let field = |field: &arrow_schema::FieldRef| format!("{}\0{}\0", field.name(), type_name(field.data_type()));
    let key = |key: &String| format!("\0{key}");
    let text: String = all.fields().iter().map(field).chain(keys.iter().map(key)).collect();
    crc32c::crc32c(text.as_bytes())
}

/// The keys of the paths, if they are the same in all.
fn keys_of_all(files: &[PathBuf], settings: &SourceSettings) -> Result<Vec<String>> {
    if settings.hive_partitioning == HivePartitioning::Off {
        return Ok(Vec::new());
    }
    let pattern = PathBuf::from(&settings.path).join("file");
    // Without a file yet, the pattern may tell them.
    let paths = if files.is_empty() { std::slice::from_ref(&pattern) } else { files };
    let keys = |path: &Path| values_of(path).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let first = paths.first().map(|path| keys(path)).unwrap_or_default();
    let twice = (1..first.len()).any(|index| first[..index].contains(&first[index]));
    let odd = paths.iter().find(|path| keys(path) != first);
    let problem = match odd {
        _ if first.is_empty() => Some(format!("the path of '{}' has no directory called key=value", paths[0].display())),
        _ if twice => Some(format!("the path of '{}' has the same key twice", paths[0].display())),
        Some(odd) => Some(format!("the paths of '{}' and '{}' have different keys", paths[0].display(), odd.display())),
        None => None,
    };
    match problem {
        Some(problem) if settings.hive_partitioning == HivePartitioning::On => {
            Err(Error::new(Code::InvalidOption, problem)
                .with_hint("hive_partitioning = 'true' needs the same keys in every path"))
        }
        Some(_) => Ok(Vec::new()),
        None => Ok(first),
    }
}

/// Keys and values of the directories of a path; `None` is NULL.
fn values_of(file: &Path) -> Vec<(String, Option<String>)> {
    let directories = file.parent().into_iter().flat_map(Path::components);
    let pair = |component: Component<'_>| {
        let Component::Normal(name) = component else { return None };
        let name = name.to_string_lossy();
        let (key, value) = key_of(&name)?;
        Some((percent_decoded(key), (value != NULL_VALUE).then(|| percent_decoded(value))))
    };
    directories.filter_map(pair).collect()
}

/// The narrowest type of a key's values: BIGINT, DATE or VARCHAR.
fn type_of(key: &str, files: &[PathBuf]) -> DataType {
    let values = || files.iter().flat_map(|file| values_of(file)).filter(|(name, _)| name == key).filter_map(|(_, value)| value);
    if values().next().is_none() {
        DataType::Utf8
    } else if values().all(|value| is_integer(&value)) {
        DataType::Int64
    } else if values().all(|value| value.len() == 10 && NaiveDate::parse_from_str(&value, "%Y-%m-%d").is_ok()) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// Months, days and hours are written with two digits (`month=05`); other leading zeros belong to a code, which is text.
fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let padded = digits.len() > 1 && digits.starts_with('0');
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (!padded || value.len() == 2) && value != "-0" && value.parse::<i64>().is_ok()
}

/// `%2F` is `/`; what is not a valid escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).filter(|hex| *byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let value = escape.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn is_key(field: &Field, key: &str) -> bool {
    field.name().eq_ignore_ascii_case(key)
}

fn has_column(schema: &Schema, name: &str) -> bool {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    find_column(name, &names).is_some()
}

/// The columns of the first file that has some. A file that is followed and not complete yet has its turn later.
pub(super) fn first_schema(files: &[PathBuf], settings: &SourceSettings) -> Result<Option<SchemaRef>> {
    for file in files.iter().filter(|file| !(settings.follow && is_cut_off(file, settings))) {
        if let Some(schema) = schema_of(file, settings)? {
            return Ok(Some(schema));
        }
    }
    Ok(None)
}

/// Whether a file is Parquet without its footer.
pub(super) fn is_cut_off(file: &Path, settings: &SourceSettings) -> bool {
    settings.format_of(file).is_ok_and(|format| format == Format::Parquet) && !is_finished(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_key_tell_its_type() {
        let cases: &[(&[&str], DataType)] = &[
            (&["2024", "-7"], DataType::Int64),
            (&["05", "12", "00"], DataType::Int64),
            (&["01234"], DataType::Utf8),
            (&["2024-01-31", "2024-02-29"], DataType::Date32),
            (&["2024-02-30"], DataType::Utf8),
            (&["1", NULL_VALUE], DataType::Int64),
            (&[NULL_VALUE], DataType::Utf8),
            (&["1", "x"], DataType::Utf8),
            (&["9223372036854775808"], DataType::Utf8),
        ];
        for (values, expected) in cases {
            let files: Vec<PathBuf> = values.iter().map(|value| PathBuf::from(format!("d/k={value}/a.csv"))).collect();
            assert_eq!(type_of("k", &files), *expected, "{values:?}");
        }
    }

    #[test]
    fn values_are_decoded_and_only_directories_count() {
        let values = values_of(Path::new("/a=1/b=x%2Fy%20%zz/c=__HIVE_DEFAULT_PARTITION__/_d=1/e=p=q/f=1.csv"));
        let text = |value: &str| Some(value.to_owned());
        let expected = [("a", text("1")), ("b", text("x/y %zz")), ("c", None), ("e", text("p=q"))];
        assert_eq!(values, expected.map(|(key, value)| (key.to_owned(), value)));
    }
}
