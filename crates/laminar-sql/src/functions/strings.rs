//! Functions of texts whose answers PostgreSQL defines otherwise than DataFusion does.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use laminar_core::{Code, Error, Result};

use super::bytes;
use super::columns::{Answer, Call, bad, out_of_range};
use super::kinds::Kind::{Any, Bool, Bytes, Int4, Int8, Text, Texts};
use super::kinds::type_name;
use super::regex;
use super::routine::{Constants, Routine, routine};
use super::text_form::text_forms;

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("concat").takes_rest([Any], Any, Text, |call| joined(call, None)),
        routine("concat_ws").takes_rest([Text, Any], Any, Text, |call| joined(call, Some(0))),
        routine("split_part")
            .takes([Text, Text, Int8], Text, |call| {
                call.map3(|text: &str, delimiter: &str, index: i64| split_part(text, delimiter, index))
            })
            .check(check_split_part),
        routine("substring")
            .also("substr")
            .takes([Text, Int8], Text, |call| call.map2(|text: &str, start: i64| Ok(Some(part(text, start, None)?.to_owned()))))
            .takes([Text, Int8, Int8], Text, |call| {
                call.map3(|text: &str, start: i64, length: i64| Ok(Some(part(text, start, Some(length))?.to_owned())))
            })
            .takes([Text, Text], Text, regex::substring_from)
            .takes([Text, Text, Text], Text, regex::substring_similar)
            .takes([Bytes, Int8], Bytes, bytes::substring)
            .takes([Bytes, Int8, Int8], Bytes, bytes::substring),
        routine("left").takes([Text, Int8], Text, |call| call.map2(|text: &str, count: i64| Ok(Some(left(text, count))))),
        routine("right").takes([Text, Int8], Text, |call| call.map2(|text: &str, count: i64| Ok(Some(right(text, count))))),
        routine("lpad")
            .takes([Text, Int8], Text, |call| call.map2(|text: &str, length: i64| pad(text, length, " ", true)))
            .takes([Text, Int8, Text], Text, |call| {
                call.map3(|text: &str, length: i64, fill: &str| pad(text, length, fill, true))
            }),
        routine("rpad")
            .takes([Text, Int8], Text, |call| call.map2(|text: &str, length: i64| pad(text, length, " ", false)))
            .takes([Text, Int8, Text], Text, |call| {
                call.map3(|text: &str, length: i64, fill: &str| pad(text, length, fill, false))
            }),
        routine("repeat").takes([Text, Int8], Text, |call| call.map2(repeat)),
        routine("replace").takes([Text, Text, Text], Text, |call| call.map3(replace)),
        routine("upper")
            .takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(text.chars().map(upper).collect::<String>())))),
        routine("lower")
            .takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(text.chars().map(lower).collect::<String>())))),
        routine("initcap").takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(initcap(text))))),
        routine("translate").takes([Text, Text, Text], Text, |call| call.map3(translate)),
        routine("reverse").takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(text.chars().rev().collect::<String>())))),
        routine("chr").takes([Int8], Text, |call| call.map1(chr)),
        routine("ascii")
            .takes([Text], Int4, |call| call.map1(|text: &str| Ok(Some(text.chars().next().map_or(0, |c| c as i32))))),
        routine("starts_with")
            .takes([Text, Text], Bool, |call| call.map2(|text: &str, start: &str| Ok(Some(text.starts_with(start))))),
        routine("overlay")
            .takes([Text, Text, Int8], Text, |call| {
                call.map3(|text: &str, new: &str, start: i64| overlay(text, new, start, new.chars().count() as i64))
            })
            .takes([Text, Text, Int8, Int8], Text, |call| call.map4(overlay))
            .takes([Bytes, Bytes, Int8], Bytes, bytes::overlay)
            .takes([Bytes, Bytes, Int8, Int8], Bytes, bytes::overlay),
        routine("string_to_array").takes([Text, Text], Texts, |call| to_array(call, None)).takes(
            [Text, Text, Text],
            Texts,
            |call| to_array(call, Some(2)),
        ),
        routine("array_to_string")
            .also("list_to_string")
            .also("array_join")
            .also("list_join")
            .takes([Any, Text], Text, |call| array_text(call, None))
            .takes([Any, Text, Text], Text, |call| array_text(call, Some(2))),
        routine("to_hex").takes([Int4], Text, |call| call.map1(|value: i32| Ok(Some(format!("{value:x}"))))).takes(
            [Int8],
            Text,
            |call| call.map1(|value: i64| Ok(Some(format!("{value:x}")))),
        ),
    ]
}

/// Bytes that one answer may take.
pub(super) const TEXT_MAX: usize = 1 << 28;

pub(super) fn too_long() -> Error {
    Error::new(Code::LimitReached, "the text would be longer than 256 MiB")
}

/// All arguments but NULLs as one text; `separator` is the argument that stands between them.
fn joined(call: &Call<'_>, separator: Option<usize>) -> Result<ArrayRef> {
    let first = usize::from(separator.is_some());
    let texts = call.columns.iter().map(|column| text_forms(&column.array)).collect::<Result<Vec<_>>>()?;
    let text = |column: usize, row: usize| texts[column].get(call.columns[column].index(row)).and_then(Option::as_deref);
    call.each(|row| {
        let separator = match separator {
            None => Some(""),
            Some(column) => text(column, row),
        };
        let Some(separator) = separator else { return Ok(None) };
        let parts: Vec<&str> = (first..texts.len()).filter_map(|column| text(column, row)).collect();
        Ok(Some(parts.join(separator)))
    })
}

fn check_split_part(constants: &Constants<'_>) -> Result<()> {
    let index = constants.get(2).copied().flatten();
    let is_zero =
        index.is_some_and(|index| index.cast_to(&arrow_schema::DataType::Int64).is_ok_and(|index| index == 0i64.into()));
    if is_zero { Err(no_part_zero()) } else { Ok(()) }
}

fn no_part_zero() -> Error {
    bad("part 0 of a text does not exist").with_hint("parts are counted from 1, or from the end from -1")
}

fn split_part(text: &str, delimiter: &str, index: i64) -> Answer<String> {
    if index == 0 {
        return Err(no_part_zero());
    }
    if delimiter.is_empty() || text.is_empty() {
        return Ok(Some(if matches!(index, 1 | -1) { text.to_owned() } else { String::new() }));
    }
    let nth = usize::try_from(index.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = if index > 0 { text.split(delimiter).nth(nth) } else { text.rsplit(delimiter).nth(nth) };
    Ok(Some(found.unwrap_or_default().to_owned()))
}

/// The byte at which character `index` (from 0) begins; the end if there are fewer.
fn byte_of(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte)
}

/// Characters from `start` (counted from 1, and it may lie before the text) on.
fn part(text: &str, start: i64, length: Option<i64>) -> Result<&str> {
    let (first, end) = bounds(start, length)?;
    let first = byte_of(text, first);
    Ok(match end {
        Some(end) => &text[first..byte_of(text, end).max(first)],
        None => &text[first..],
    })
}

/// The indexes, from 0, of a part that begins at `start`.
pub(super) fn bounds(start: i64, length: Option<i64>) -> Result<(usize, Option<usize>)> {
    if length.is_some_and(|length| length < 0) {
        return Err(bad("a part of a text cannot have a negative length"));
    }
    let end = length.map(|length| usize::try_from(start.saturating_add(length).saturating_sub(1)).unwrap_or(0));
    Ok((usize::try_from(start.saturating_sub(1)).unwrap_or(0), end))
}

/// The first characters, or all but the last.
fn left(text: &str, count: i64) -> String {
    text[..byte_of(text, kept(text, count))].to_owned()
}

/// The last characters, or all but the first.
fn right(text: &str, count: i64) -> String {
    let all = text.chars().count();
    text[byte_of(text, all - kept(text, count).min(all))..].to_owned()
}

fn kept(text: &str, count: i64) -> usize {
    match usize::try_from(count) {
        Ok(count) => count,
        Err(_) => text.chars().count().saturating_sub(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

fn pad(text: &str, length: i64, fill: &str, is_left: bool) -> Answer<String> {
    let length = usize::try_from(length).unwrap_or(0);
    let own = text.chars().count();
    if own >= length || fill.is_empty() {
        return Ok(Some(text[..byte_of(text, length)].to_owned()));
    }
    if length > TEXT_MAX {
        return Err(too_long());
    }
    let fill: String = fill.chars().cycle().take(length - own).collect();
    Ok(Some(if is_left { fill + text } else { text.to_owned() + &fill }))
}

fn repeat(text: &str, count: i64) -> Answer<String> {
    let count = usize::try_from(count).unwrap_or(0);
    match text.len().checked_mul(count) {
        Some(length) if length <= TEXT_MAX => Ok(Some(text.repeat(count))),
        _ => Err(too_long()),
    }
}

fn replace(text: &str, from: &str, to: &str) -> Answer<String> {
    if from.is_empty() {
        return Ok(Some(text.to_owned()));
    }
    let growth = to.len().saturating_sub(from.len());
    if growth > 0 && text.len().saturating_add(text.matches(from).count().saturating_mul(growth)) > TEXT_MAX {
        return Err(too_long());
    }
    Ok(Some(text.replace(from, to)))
}

/// A character as a capital, if that is one character: `ß` stays as it is.
fn upper(c: char) -> char {
    let mut capitals = c.to_uppercase();
    capitals.next().filter(|_| capitals.len() == 0).unwrap_or(c)
}

fn lower(c: char) -> char {
    let mut letters = c.to_lowercase();
    letters.next().filter(|_| letters.len() == 0).unwrap_or(c)
}

fn initcap(text: &str) -> String {
    let mut capital = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        capital.push(if begins { upper(c) } else { lower(c) });
        begins = !c.is_alphanumeric();
    }
    capital
}

/// Each character of `from` becomes the one of `to` at the same index, or nothing.
fn translate(text: &str, from: &str, to: &str) -> Answer<String> {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let translated = text.chars().filter_map(|c| match from.iter().position(|known| *known == c) {
        None => Some(c),
        Some(index) => to.get(index).copied(),
    });
    Ok(Some(translated.collect()))
}

fn chr(code: i64) -> Answer<String> {
    if code == 0 {
        return Err(bad("a text cannot hold the character 0"));
    }
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    c.map(|c| Some(c.to_string())).ok_or_else(|| bad(format!("there is no character {code}")))
}

fn overlay(text: &str, new: &str, start: i64, length: i64) -> Answer<String> {
    if start <= 0 {
        return Err(bad(format!("position {start} of a text does not exist: the first is 1")));
    }
    let behind = start.checked_add(length).ok_or_else(|| out_of_range("the position is"))?;
    let before = part(text, 1, Some(start - 1))?;
    Ok(Some(format!("{before}{new}{}", part(text, behind, None)?)))
}

/// The parts between delimiters; without one (NULL) the characters. A part that is `null` becomes NULL.
fn to_array(call: &Call<'_>, null: Option<usize>) -> Result<ArrayRef> {
    let (texts, delimiters) = (call.argument::<&str>(0)?, call.argument::<&str>(1)?);
    let nulls = null.map(|index| call.argument::<&str>(index)).transpose()?;
    call.each(|row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let parts: Vec<String> = match delimiters.get(row) {
            _ if text.is_empty() => Vec::new(),
            None => text.chars().map(String::from).collect(),
            Some("") => vec![text.to_owned()],
            Some(delimiter) => text.split(delimiter).map(str::to_owned).collect(),
        };
        let null = nulls.as_ref().and_then(|nulls| nulls.get(row));
        Ok(Some(parts.into_iter().map(|part| (null != Some(part.as_str())).then_some(part)).collect::<Vec<_>>()))
    })
}

/// The items of a list as one text; NULLs are left out, or written as the third argument.
fn array_text(call: &Call<'_>, null: Option<usize>) -> Result<ArrayRef> {
    let lists = &call.columns[0];
    if lists.array.data_type().is_null() {
        return call.each(|_| Ok(None::<String>));
    }
    let of = lists.array.data_type();
    let list = lists.array.as_list_opt::<i32>();
    let list =
        list.ok_or_else(|| Error::new(Code::TypeMismatch, format!("array_to_string takes an array, not {}", type_name(of))))?;
    let items = text_forms(list.values())?;
    let separators = call.argument::<&str>(1)?;
    let nulls = null.map(|index| call.argument::<&str>(index)).transpose()?;
    call.each(|row| {
        let index = lists.index(row);
        let Some(separator) = separators.get(row).filter(|_| !list.is_null(index)) else { return Ok(None) };
        let (start, end) = (list.value_offsets()[index], list.value_offsets()[index + 1]);
        let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
        let null = nulls.as_ref().and_then(|nulls| nulls.get(row));
        let parts: Vec<&str> = items[range].iter().filter_map(|item| item.as_deref().or(null)).collect();
        Ok(Some(parts.join(separator)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_text_may_begin_before_it() {
        let check = |start, length, expected: &str| assert_eq!(part("straße", start, length).unwrap(), expected);
        check(1, Some(3), "str");
        check(-1, Some(3), "s");
        check(0, None, "straße");
        check(5, Some(9), "ße");
        check(7, Some(1), "");
        check(i64::MIN, Some(i64::MAX), "");
        assert!(part("a", 1, Some(-1)).is_err());
    }

    #[test]
    fn characters_are_counted_from_either_end() {
        let check =
            |count, first: &str, last: &str| assert_eq!((left("äbc", count), right("äbc", count)), (first.into(), last.into()));
        check(2, "äb", "bc");
        check(-1, "äb", "bc");
        check(9, "äbc", "äbc");
        check(-9, "", "");
        check(0, "", "");
    }
}
