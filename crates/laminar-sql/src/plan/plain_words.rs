//! What DataFusion, Arrow and the parser's tree say of a query, in the words of SQL: what it is about as people write it, and what to write instead.

use laminar_core::{Code, Error};

use super::function_errors::plain_types;

/// The message in our words, if it is one of those that speak of something that is not in the statement.
pub(super) fn in_plain_words(message: &str) -> Option<Error> {
    const RULES: [fn(&str) -> Option<Error>; 10] = [
        called_alike,
        too_few_names,
        compared_by_like,
        no_operator,
        mixed_values,
        nested_aggregates,
        unknown_syntax,
        unknown_operator,
        unknown_literal,
        out_of_range,
    ];
    RULES.iter().find_map(|rule| rule(message))
}

fn error(code: Code, message: impl Into<String>, hint: &str) -> Option<Error> {
    let error = Error::new(code, message);
    Some(if hint.is_empty() { error } else { error.with_hint(hint) })
}

/// What stands between `before` and `behind`.
fn between<'a>(message: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(behind).map(|(found, _)| found)
}

/// Two columns of one name: DataFusion names both by what they compute, and casts are no part of that.
fn called_alike(message: &str) -> Option<Error> {
    let (_, rest) = message.split_once("rojections require unique expression names")?;
    let mut places = rest.split(" at position ").skip(1).filter_map(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    });
    let (first, second) = (places.next()? + 1, places.next()? + 1);
    let text = format!("output columns {first} and {second} have the same name");
    error(Code::InvalidQuery, text, "give one of them another name with AS")
}

fn too_few_names(message: &str) -> Option<Error> {
    let columns = between(message, "ource table contains ", " columns but only ")?;
    let names = between(message, "columns but only ", " names given")?;
    error(
        Code::InvalidQuery,
        format!("{names} names are given for {columns} columns"),
        "give each column a name, or leave all names out",
    )
}

fn compared_by_like(message: &str) -> Option<Error> {
    let types = between(message, "common type to coerce ", " in LIKE expression")?;
    let (value, pattern) = types.split_once(" and ")?;
    let text = format!("LIKE compares texts, and not {} with {}", plain_types(value), plain_types(pattern));
    error(Code::TypeMismatch, text, "convert the value to a text: x::VARCHAR LIKE …")
}

fn no_operator(message: &str) -> Option<Error> {
    let call = between(message, "annot coerce arithmetic expression ", " to valid types")?;
    let (left, op, right) = ["+", "-", "*", "/", "%"].iter().find_map(|op| {
        let (left, right) = call.split_once(&format!(" {op} "))?;
        Some((left, *op, right))
    })?;
    let text = format!("there is no operator {op} for {} and {}", plain_types(left), plain_types(right));
    error(Code::TypeMismatch, text, "convert one of them, as in INTERVAL '1 hour' or x::BIGINT")
}

fn mixed_values(message: &str) -> Option<Error> {
    let row = between(message, "nconsistent data type across values list at row ", " column ")?.parse::<usize>().ok()?;
    let column = between(message, " column ", ". Was ")?.parse::<usize>().ok()?;
    let (before, own) = message.split_once(". Was ")?.1.split_once(" but found ")?;
    let (column, row, before, own) = (column + 1, row + 1, plain_types(before), plain_types(own.lines().next().unwrap_or(own)));
    let text = format!("column {column} of VALUES is {before}, but row {row} has {own} there");
    error(Code::TypeMismatch, text, "convert the values of a column to one type: CAST(x AS …)")
}

fn nested_aggregates(message: &str) -> Option<Error> {
    let hint = "compute the inner one in FROM: SELECT sum(n) FROM (SELECT count(*) AS n FROM … GROUP BY …) AS q";
    message.contains("ggregate function calls cannot be nested").then_some(())?;
    error(Code::InvalidQuery, "an aggregate cannot stand inside of another one", hint)
}

/// A part of the parser's tree that the planner does not know.
fn unknown_syntax(message: &str) -> Option<Error> {
    const FORMS: [(&str, &str, &str); 7] = [
        ("Pivot", "PIVOT", "write a column for each value: sum(x) FILTER (WHERE kind = 'a') AS a"),
        ("Unpivot", "UNPIVOT", "CROSS JOIN LATERAL (VALUES ('a', a), ('b', b)) AS q (kind, x)"),
        ("IsNormalized", "IS NORMALIZED", ""),
        ("Convert", "CONVERT", "write CAST(x AS …)"),
        ("Semi", "SEMI JOIN", "write LEFT SEMI JOIN, or EXISTS"),
        ("Anti", "ANTI JOIN", "write LEFT ANTI JOIN, or NOT EXISTS"),
        ("CrossApply", "CROSS APPLY", "write CROSS JOIN LATERAL"),
    ];
    if message.contains("ot access not supported for non-string expr") {
        let text = "a field behind a dot of an expression is not built yet";
        return error(Code::NotSupported, text, "write it in brackets: value['field']");
    }
    let beginnings = ["nsupported ast node in sqltorel: ", "nsupported ast node ", "nsupported JOIN operator "];
    let rest = beginnings.iter().find_map(|beginning| Some(message.split_once(beginning)?.1))?;
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    let (_, form, hint) = FORMS.iter().find(|(node, ..)| *node == name)?;
    error(Code::NotSupported, format!("{form} is not built yet"), hint)
}

fn unknown_operator(message: &str) -> Option<Error> {
    const OPERATORS: [(&str, &str, &str); 6] = [
        ("PGSquareRoot", "|/", "write sqrt(x)"),
        ("PGCubeRoot", "||/", "write cbrt(x)"),
        ("PGAbs", "@", "write abs(x)"),
        ("PGPrefixFactorial", "!!", "write factorial(x)"),
        ("PGPostfixFactorial", "!", "write factorial(x)"),
        ("PGStartsWith", "^@", "write starts_with(x, 'a')"),
    ];
    let beginnings = ["nsupported SQL unary operator ", "nsupported binary operator: "];
    let rest = beginnings.iter().find_map(|beginning| Some(message.split_once(beginning)?.1))?;
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    let (_, operator, hint) = OPERATORS.iter().find(|(node, ..)| *node == name)?;
    error(Code::NotSupported, format!("the operator {operator} is not built yet"), hint)
}

fn unknown_literal(message: &str) -> Option<Error> {
    const LITERALS: [(&str, &str, &str); 3] = [
        ("SingleQuotedByteStringLiteral", "b'…'", "write bytes in hexadecimal digits: X'05'"),
        ("UnicodeStringLiteral", "U&'…'", "write the characters themselves"),
        ("NationalStringLiteral", "N'…'", "leave the N out"),
    ];
    let value = message.split_once("nsupported Value '")?.1;
    let (_, literal, hint) = LITERALS.iter().find(|(name, ..)| value.starts_with(name))?;
    error(Code::NotSupported, format!("{literal} is not built yet"), hint)
}

/// A number that its type does not hold.
fn out_of_range(message: &str) -> Option<Error> {
    if let Some(value) = between(message, "an't cast value ", " to type ") {
        let target = message.split_once(" to type ")?.1.lines().next()?;
        return error(Code::Arithmetic, format!("{value} is out of range of {}", plain_types(target)), "");
    }
    for (what, word) in [("large", "more"), ("small", "less")] {
        let Some((before, rest)) = message.split_once(&format!(" is too {what} to store in a Decimal128 of precision ")) else {
            continue;
        };
        let value = before.rsplit([' ', '\n']).next()?;
        let (_, bound) = rest.split_once(if what == "large" { "Max is " } else { "Min is " })?;
        let bound = bound.lines().next()?.trim_end_matches('.');
        return error(Code::Arithmetic, format!("{value} is {word} than {bound}, where its DECIMAL ends"), "");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_speak_of_what_was_written() {
        let check = |message: &str, expected: &str| {
            let found =
                in_plain_words(message).map(|error| format!("{} / {}", error.message(), error.hint().unwrap_or_default()));
            assert_eq!(found.as_deref(), (!expected.is_empty()).then_some(expected), "{message}");
        };
        check("Can't cast value 40000 to type Int16", "40000 is out of range of SMALLINT / ");
        check(
            "1234.00 is too large to store in a Decimal128 of precision 5. Max is 999.99",
            "1234.00 is more than 999.99, where its DECIMAL ends / ",
        );
        check(
            "Projections require unique expression names but the expression \"sum(CAST(t.a AS Int32))\" at position 0 and \"sum(t.a)\" at position 3 have the same name.",
            "output columns 1 and 4 have the same name / give one of them another name with AS",
        );
        check(
            "Cannot coerce arithmetic expression Date32 - Boolean to valid types",
            "there is no operator - for DATE and BOOLEAN / convert one of them, as in INTERVAL '1 hour' or x::BIGINT",
        );
        check("Unsupported binary operator: PGStartsWith", "the operator ^@ is not built yet / write starts_with(x, 'a')");
        check("there is no column", "");
    }
}
