//! `regexp_*`, `substring(… from pattern)` and `SIMILAR TO` as functions of SQL.

use arrow_array::ArrayRef;
use laminar_core::{Code, Error, Result};

use super::compiled::{Compiled, LastRegex, Spans};
use super::similar::to_regex;
use super::syntax::Flags;
use crate::functions::columns::{Answer, Call, Give, bad};
use crate::functions::kinds::Kind::{Bool, Int4, Int8, Text, Texts};
use crate::functions::routine::{Constants, Routine, constant_text, routine};

/// The function as which `SIMILAR TO` is kept.
pub(crate) const SIMILAR_TO: &str = "similar_to";

/// The functions of this family.
pub(crate) fn routines() -> Vec<Routine> {
    vec![
        routine(SIMILAR_TO)
            .takes([Text, Text], Bool, |call| similar(call, |_| Some("\\")))
            .takes([Text, Text, Text], Bool, |call| {
                let escapes = call.argument::<&str>(2)?;
                similar(call, move |row| escapes.get(row))
            })
            .check(check_similar),
        routine("regexp_like")
            .takes([Text, Text], Bool, |call| with(call, None, |regex, text| Ok(Some(regex.is_match(text)))))
            .takes([Text, Text, Text], Bool, |call| with(call, Some(2), |regex, text| Ok(Some(regex.is_match(text)))))
            .check(|constants| check(constants, 2)),
        routine("regexp_match")
            .takes([Text, Text], Texts, |call| with(call, None, |regex, text| Ok(groups(regex, text))))
            .takes([Text, Text, Text], Texts, |call| {
                with(call, Some(2), |regex, text| {
                    refuse_global(regex, "regexp_match")?;
                    Ok(groups(regex, text))
                })
            })
            .check(|constants| check(constants, 2)),
        routine("regexp_split_to_array")
            .takes([Text, Text], Texts, |call| with(call, None, |regex, text| Ok(Some(split(regex, text)))))
            .takes([Text, Text, Text], Texts, |call| {
                with(call, Some(2), |regex, text| {
                    refuse_global(regex, "regexp_split_to_array")?;
                    Ok(Some(split(regex, text)))
                })
            })
            .check(|constants| check(constants, 2)),
        routine("regexp_replace")
            .takes([Text, Text, Text], Text, |call| replace(call, None, None, None))
            .takes([Text, Text, Text, Text], Text, |call| replace(call, None, None, Some(3)))
            .takes([Text, Text, Text, Int8], Text, |call| replace(call, Some(3), None, None))
            .takes([Text, Text, Text, Int8, Int8], Text, |call| replace(call, Some(3), Some(4), None))
            .takes([Text, Text, Text, Int8, Int8, Text], Text, |call| replace(call, Some(3), Some(4), Some(5)))
            .check(|constants| check(constants, if constants.len() > 4 { 5 } else { 3 })),
        routine("regexp_count")
            .takes([Text, Text], Int4, |call| count(call, None, None))
            .takes([Text, Text, Int8], Int4, |call| count(call, Some(2), None))
            .takes([Text, Text, Int8, Text], Int4, |call| count(call, Some(2), Some(3)))
            .check(|constants| check(constants, 3)),
        routine("regexp_substr")
            .takes([Text, Text], Text, |call| substr(call, [None; 4]))
            .takes([Text, Text, Int8], Text, |call| substr(call, [Some(2), None, None, None]))
            .takes([Text, Text, Int8, Int8], Text, |call| substr(call, [Some(2), Some(3), None, None]))
            .takes([Text, Text, Int8, Int8, Text], Text, |call| substr(call, [Some(2), Some(3), Some(4), None]))
            .takes([Text, Text, Int8, Int8, Text, Int8], Text, |call| substr(call, [Some(2), Some(3), Some(4), Some(5)]))
            .check(|constants| check(constants, 4)),
        routine("regexp_instr")
            .takes([Text, Text], Int4, |call| instr(call, [None; 5]))
            .takes([Text, Text, Int8], Int4, |call| instr(call, [Some(2), None, None, None, None]))
            .takes([Text, Text, Int8, Int8], Int4, |call| instr(call, [Some(2), Some(3), None, None, None]))
            .takes([Text, Text, Int8, Int8, Int8], Int4, |call| instr(call, [Some(2), Some(3), Some(4), None, None]))
            .takes([Text, Text, Int8, Int8, Int8, Text], Int4, |call| instr(call, [Some(2), Some(3), Some(4), Some(5), None]))
            .takes([Text, Text, Int8, Int8, Int8, Text, Int8], Int4, |call| {
                instr(call, [Some(2), Some(3), Some(4), Some(5), Some(6)])
            })
            .check(|constants| check(constants, 5)),
    ]
}

/// Looks at a constant expression and its flags.
fn check(constants: &Constants<'_>, flags: usize) -> Result<()> {
    let flags = Flags::read(constant_text(constants, flags).unwrap_or_default())?;
    constant_text(constants, 1).map_or(Ok(()), |pattern| Compiled::new(pattern, flags).map(drop))
}

fn check_similar(constants: &Constants<'_>) -> Result<()> {
    let escape = escape_of(constant_text(constants, 2).unwrap_or("\\"))?;
    let Some(pattern) = constant_text(constants, 1) else { return Ok(()) };
    Compiled::new(&to_regex(pattern, escape)?, Flags::default()).map(drop)
}

fn escape_of(text: &str) -> Result<Option<char>> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (_, Some(_)) => Err(Error::new(Code::InvalidQuery, format!("'{text}' is more than one escape character"))),
        (first, None) => Ok(first),
    }
}

fn similar<'a>(call: &Call<'_>, escape: impl Fn(usize) -> Option<&'a str>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.argument::<&str>(0)?, call.argument::<&str>(1)?);
    let mut last: Option<(String, String, Compiled)> = None;
    call.each(|row| {
        let (Some(text), Some(pattern), Some(escape)) = (texts.get(row), patterns.get(row), escape(row)) else {
            return Ok(None);
        };
        if !last.as_ref().is_some_and(|(p, e, _)| p == pattern && e == escape) {
            let compiled = Compiled::new(&to_regex(pattern, escape_of(escape)?)?, Flags::default())?;
            last = Some((pattern.to_owned(), escape.to_owned(), compiled));
        }
        Ok(last.as_ref().map(|(_, _, regex)| regex.is_match(text)))
    })
}

/// Calls `answer` for each row with its text and expression; `flags` is the argument with flags.
fn with<T: Give>(
    call: &Call<'_>,
    flags: Option<usize>,
    mut answer: impl FnMut(&mut Compiled, &str) -> Answer<T>,
) -> Result<ArrayRef> {
    with_rows(call, flags, |regex, text, _| answer(regex, text))
}

/// The same with the row's number.
fn with_rows<T: Give>(
    call: &Call<'_>,
    flags: Option<usize>,
    mut answer: impl FnMut(&mut Compiled, &str, usize) -> Answer<T>,
) -> Result<ArrayRef> {
    let (texts, patterns) = (call.argument::<&str>(0)?, call.argument::<&str>(1)?);
    let flags = flags.map(|index| call.argument::<&str>(index)).transpose()?;
    let mut last = LastRegex::default();
    call.each(|row| {
        let flags = flags.as_ref().map_or(Some(""), |flags| flags.get(row));
        match (texts.get(row), patterns.get(row), flags) {
            (Some(text), Some(pattern), Some(flags)) => answer(last.get(pattern, flags)?, text, row),
            _ => Ok(None),
        }
    })
}

fn refuse_global(regex: &Compiled, function: &str) -> Result<()> {
    if regex.flags.global {
        return Err(bad(format!("{function} has no flag g")));
    }
    Ok(())
}

fn part(text: &str, span: Option<(usize, usize)>) -> Option<String> {
    span.map(|(start, end)| text[start..end].to_owned())
}

/// The groups of the first match, or all of it if there are none.
fn groups(regex: &mut Compiled, text: &str) -> Option<Vec<Option<String>>> {
    let spans = regex.find(text, 0)?;
    let own = if spans.len() > 1 { &spans[1..] } else { &spans[..] };
    Some(own.iter().map(|span| part(text, *span)).collect())
}

/// The texts between matches; an empty match at an end or right behind another one parts nothing.
fn split(regex: &mut Compiled, text: &str) -> Vec<Option<String>> {
    let (mut parts, mut last) = (Vec::new(), 0);
    for spans in regex.find_all(text, 0) {
        let Some(Some((start, end))) = spans.first().copied() else { continue };
        if start == end && (start == 0 || start == text.len() || start == last) {
            continue;
        }
        parts.push(Some(text[last..start].to_owned()));
        last = end;
    }
    parts.push(Some(text[last..].to_owned()));
    parts
}

/// The byte at which character `start` (counted from 1) stands; what is behind the end is no error.
fn byte_of(text: &str, start: i64) -> Result<usize> {
    let index = usize::try_from(start).ok().filter(|start| *start > 0);
    let index = index.ok_or_else(|| bad(format!("position {start} of a text does not exist: the first is 1")))?;
    Ok(text
        .char_indices()
        .nth(index - 1)
        .map_or(if index == text.chars().count() + 1 { text.len() } else { text.len() + 1 }, |c| c.0))
}

/// The `nth` match from 1 on.
fn nth(regex: &mut Compiled, text: &str, start: i64, nth: i64) -> Result<Option<Spans>> {
    let index = usize::try_from(nth).ok().filter(|nth| *nth > 0);
    let index = index.ok_or_else(|| bad(format!("match {nth} does not exist: the first is 1")))?;
    let start = byte_of(text, start)?;
    if start > text.len() {
        return Ok(None);
    }
    Ok(regex.find_all(text, start).into_iter().nth(index - 1))
}

/// Optional arguments of one row: numbers with their defaults, and NULL if one of them is.
fn number(call: &Call<'_>, index: Option<usize>, row: usize, default: i64) -> Answer<i64> {
    match index {
        Some(index) => Ok(call.argument::<i64>(index)?.get(row)),
        None => Ok(Some(default)),
    }
}

fn replace(call: &Call<'_>, start: Option<usize>, which: Option<usize>, flags: Option<usize>) -> Result<ArrayRef> {
    let replacements = call.argument::<&str>(2)?;
    with_rows(call, flags, |regex, text, row| {
        let Some(replacement) = replacements.get(row) else { return Ok(None) };
        let Some(from) = number(call, start, row, 1)? else { return Ok(None) };
        let all = regex.flags.global && which.is_none();
        let Some(which) = number(call, which, row, i64::from(!all))? else { return Ok(None) };
        let index = usize::try_from(which).map_err(|_| bad(format!("match {which} does not exist: the first is 1")))?;
        let from = byte_of(text, from)?;
        let found = if from > text.len() {
            Vec::new()
        } else if index == 1 {
            regex.find(text, from).into_iter().collect()
        } else {
            regex.find_all(text, from)
        };
        let chosen = found.iter().enumerate().filter(|(n, _)| index <= 1 || *n + 1 == index).map(|(_, spans)| spans);
        Ok(Some(replaced(text, chosen, replacement)))
    })
}

fn replaced<'s>(text: &str, found: impl Iterator<Item = &'s Spans>, replacement: &str) -> String {
    let (mut result, mut last) = (String::with_capacity(text.len()), 0);
    for spans in found {
        let Some(Some((start, end))) = spans.first().copied() else { continue };
        result.push_str(&text[last..start]);
        expand(&mut result, text, spans, replacement);
        last = end;
    }
    result.push_str(&text[last..]);
    result
}

/// `\&` is the match, `\1` the first group, `\\` a backslash.
fn expand(result: &mut String, text: &str, spans: &Spans, replacement: &str) {
    let mut chars = replacement.chars().peekable();
    let group = |index: usize| spans.get(index).copied().flatten().map_or("", |(start, end)| &text[start..end]);
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.peek().copied() {
            Some('&') => result.push_str(group(0)),
            Some(digit @ '1'..='9') => result.push_str(group(digit.to_digit(10).unwrap_or(0) as usize)),
            Some('\\') => result.push('\\'),
            _ => {
                result.push('\\');
                continue;
            }
        }
        chars.next();
    }
}

fn count(call: &Call<'_>, start: Option<usize>, flags: Option<usize>) -> Result<ArrayRef> {
    with_rows(call, flags, |regex, text, row| {
        refuse_global(regex, "regexp_count")?;
        let Some(start) = number(call, start, row, 1)? else { return Ok(None) };
        let start = byte_of(text, start)?;
        let count = if start > text.len() { 0 } else { regex.find_all(text, start).len() };
        Ok(Some(i32::try_from(count).unwrap_or(i32::MAX)))
    })
}

fn substr(call: &Call<'_>, [start, which, flags, group]: [Option<usize>; 4]) -> Result<ArrayRef> {
    with_rows(call, flags, |regex, text, row| {
        refuse_global(regex, "regexp_substr")?;
        let (Some(start), Some(which), Some(group)) =
            (number(call, start, row, 1)?, number(call, which, row, 1)?, number(call, group, row, 0)?)
        else {
            return Ok(None);
        };
        let group = usize::try_from(group).map_err(|_| bad(format!("there is no group {group}")))?;
        Ok(nth(regex, text, start, which)?.and_then(|spans| part(text, spans.get(group).copied().flatten())))
    })
}

fn instr(call: &Call<'_>, [start, which, end, flags, group]: [Option<usize>; 5]) -> Result<ArrayRef> {
    with_rows(call, flags, |regex, text, row| {
        refuse_global(regex, "regexp_instr")?;
        let (Some(start), Some(which), Some(end), Some(group)) = (
            number(call, start, row, 1)?,
            number(call, which, row, 1)?,
            number(call, end, row, 0)?,
            number(call, group, row, 0)?,
        ) else {
            return Ok(None);
        };
        let group = usize::try_from(group).map_err(|_| bad(format!("there is no group {group}")))?;
        if !(0..=1).contains(&end) {
            return Err(bad(format!("the end option of regexp_instr is 0 or 1, not {end}")));
        }
        let span = nth(regex, text, start, which)?.and_then(|spans| spans.get(group).copied().flatten());
        let byte = span.map(|(start, stop)| if end == 1 { stop } else { start });
        Ok(Some(byte.map_or(0, |byte| i32::try_from(text[..byte].chars().count() + 1).unwrap_or(i32::MAX))))
    })
}

/// `substring(text from pattern)`: the first group of the first match, or all of it.
pub(crate) fn substring_from(call: &Call<'_>) -> Result<ArrayRef> {
    with(call, None, |regex, text| {
        Ok(regex.find(text, 0).and_then(|spans| part(text, spans.get(1).copied().unwrap_or(spans[0]))))
    })
}

/// `substring(text from pattern for escape)`: what stands between the separators of a SIMILAR pattern.
pub(crate) fn substring_similar(call: &Call<'_>) -> Result<ArrayRef> {
    call.map3(|text: &str, pattern: &str, escape: &str| {
        let mut regex = Compiled::new(&to_regex(pattern, escape_of(escape)?)?, Flags::default())?;
        Ok(regex.find(text, 0).and_then(|spans| part(text, spans.get(1).copied().unwrap_or(spans[0]))))
    })
}
