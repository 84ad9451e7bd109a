//! The dialect: PostgreSQL's grammar and precedence, with what DataFusion and streaming SQL need beside it.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart,
};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::set_operation;

/// The function as which `TABLE t PARTITION BY k` inside of a table function is kept until windows are rewritten.
pub(super) const TABLE_ARGUMENT: &str = "__table";

/// Our dialect for sqlparser.
#[derive(Debug, Clone, Copy, Default)]
pub struct LaminarDialect;

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

impl Dialect for LaminarDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    // `is_custom_operator_part` stays false: `price>-1` has two operators, as it has in PostgreSQL.

    /// What is not read as a column of that name after its own syntax failed, so that the error is about that syntax.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        let reserved = [Keyword::CASE, Keyword::CAST, Keyword::EXTRACT, Keyword::NOT, Keyword::ARRAY];
        BASE.is_reserved_for_identifier(keyword) || reserved.contains(&keyword)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let token = parser.peek_token_ref();
        let is_null =
            matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("isnull"));
        if is_null { Some(Ok(BASE.prec_value(Precedence::Is))) } else { BASE.get_next_precedence(parser) }
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        let [first, second, third] = parser.peek_tokens_ref();
        let is = |token: &TokenWithSpan, name: &str| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name));
        if is(first, "isnull") {
            parser.advance_token();
            return Some(Ok(Expr::IsNull(Box::new(expr.clone()))));
        }
        let negated = is(first, "not");
        if begins_list_with_query(parser, negated) {
            return list_with_query(parser, expr, negated).map(Ok);
        }
        let (between, kind) = if negated { (second, third) } else { (first, second) };
        let symmetric = is(kind, "symmetric");
        if !is(between, "between") || !(symmetric || is(kind, "asymmetric")) {
            return None;
        }
        (0..if negated { 3 } else { 2 }).for_each(|_| parser.advance_token());
        Some(between_kinds(parser, expr, negated, symmetric))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let [first, second] = parser.peek_tokens_ref();
        let is_word = |token: &TokenWithSpan, keyword| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
        if is_word(first, Keyword::TABLE) && matches!(second.token, Token::Word(_)) {
            return Some(table_argument(parser));
        }
        let is_values = is_word(first, Keyword::VALUES) && second.token == Token::LParen;
        (is_values || set_operation::begins(parser)).then(|| parser.parse_query().map(Expr::Subquery))
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    /// `JOIN rates FOR SYSTEM_TIME AS OF o.ts`.
    fn supports_table_versioning(&self) -> bool {
        true
    }
}

/// Whether `[NOT] IN ((SELECT …` comes next.
fn begins_list_with_query(parser: &Parser, negated: bool) -> bool {
    let tokens: [&TokenWithSpan; 8] = parser.peek_tokens_ref();
    let mut tokens = tokens.into_iter().skip(usize::from(negated)).map(|token| &token.token);
    let is_in = matches!(tokens.next(), Some(Token::Word(word)) if word.keyword == Keyword::IN);
    let is_list = is_in && tokens.next() == Some(&Token::LParen) && tokens.next() == Some(&Token::LParen);
    let queries = [Keyword::SELECT, Keyword::WITH, Keyword::VALUES];
    let first = tokens.find(|token| **token != Token::LParen);
    is_list && matches!(first, Some(Token::Word(word)) if queries.contains(&word.keyword))
}

/// Reads a list of several values of which the first is a query, which sqlparser would take for the whole list; anything else it reads itself.
fn list_with_query(parser: &mut Parser, expr: &Expr, negated: bool) -> Option<Expr> {
    let list = parser.maybe_parse(|parser| {
        (0..if negated { 3 } else { 2 }).for_each(|_| parser.advance_token());
        let list = parser.parse_comma_separated(Parser::parse_expr)?;
        match list.as_slice() {
            [Expr::Subquery(_), _, ..] => parser.expect_token(&Token::RParen).map(|_| list),
            _ => Err(ParserError::ParserError(String::new())),
        }
    });
    Some(Expr::InList { expr: Box::new(expr.clone()), list: list.ok().flatten()?, negated })
}

/// Reads what follows `x BETWEEN SYMMETRIC`, where the bounds may stand in either order, or `x BETWEEN ASYMMETRIC`.
fn between_kinds(parser: &mut Parser, expr: &Expr, negated: bool, symmetric: bool) -> Result<Expr, ParserError> {
    let plain = parser.parse_between(expr.clone(), negated)?;
    let Expr::Between { low, high, .. } = &plain else { return Ok(plain) };
    if !symmetric {
        return Ok(plain);
    }
    let swapped = Expr::Between { expr: Box::new(expr.clone()), negated, low: high.clone(), high: low.clone() };
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    Ok(Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(plain), op, right: Box::new(swapped) })))
}

/// Reads `TABLE name [PARTITION BY exprs]`, the form in which Flink passes a table to a table function.
fn table_argument(parser: &mut Parser) -> Result<Expr, ParserError> {
    let token = parser.expect_keyword(Keyword::TABLE)?;
    let name = parser.parse_object_name(false)?;
    let mut args = vec![name_expr(name)];
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        if parser.consume_token(&Token::LParen) {
            args.extend(parser.parse_comma_separated(Parser::parse_expr)?);
            parser.expect_token(&Token::RParen)?;
        } else {
            // A second column would need parentheses: what follows the comma is the next argument.
            args.push(parser.parse_expr()?);
        }
    }
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Ok(Expr::Function(Function {
        name: ObjectName::from(Ident::with_span(token.span, TABLE_ARGUMENT)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }))
}

fn name_expr(name: ObjectName) -> Expr {
    let mut idents: Vec<Ident> = name
        .0
        .into_iter()
        .filter_map(|part| match part {
            ObjectNamePart::Identifier(ident) => Some(ident),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    if idents.len() == 1 { Expr::Identifier(idents.remove(0)) } else { Expr::CompoundIdentifier(idents) }
}
