/* Hears the changes of a view, by polling and by a callback: cc changes.c -I ../include -llaminar */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "laminar.h"

static int failed(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", what, laminar_last_error_code(), laminar_last_error_message());
  return 1;
}

/* The columns below are constants, so that releasing them frees nothing. */
static void release_array(struct ArrowArray* array) {
  for (int64_t i = 0; i < array->n_children; i++) array->children[i]->release = NULL;
  array->release = NULL;
}

static void release_schema(struct ArrowSchema* schema) {
  for (int64_t i = 0; i < schema->n_children; i++) schema->children[i]->release = NULL;
  schema->release = NULL;
}

/* Two trades of "A" and one of "B". What is imported is read later, so all of it is static. */
static int import_trades(laminar_result** trades) {
  static const int32_t symbol_ends[] = {0, 1, 2, 3};
  static const int64_t volumes[] = {10, 20, 5};
  static const void *symbol_buffers[] = {NULL, symbol_ends, "AAB"}, *volume_buffers[] = {NULL, volumes}, *no_buffers[] = {NULL};
  static struct ArrowArray symbol = {3, 0, 0, 3, 0, symbol_buffers, NULL, NULL, release_array, NULL};
  static struct ArrowArray volume = {3, 0, 0, 2, 0, volume_buffers, NULL, NULL, release_array, NULL};
  static struct ArrowArray* columns[] = {&symbol, &volume};
  struct ArrowArray rows = {3, 0, 0, 1, 2, no_buffers, columns, NULL, release_array, NULL};
  static struct ArrowSchema symbol_type = {"u", "symbol", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL, release_schema, NULL};
  static struct ArrowSchema volume_type = {"l", "volume", NULL, ARROW_FLAG_NULLABLE, 0, NULL, NULL, release_schema, NULL};
  static struct ArrowSchema* types[] = {&symbol_type, &volume_type};
  struct ArrowSchema type = {"+s", "", NULL, 0, 2, types, NULL, release_schema, NULL};
  return laminar_batch_import(&rows, &type, trades);
}

/* Text `row` of a VARCHAR column. */
static void print_text(const struct ArrowArray* column, int64_t row) {
  const int32_t* ends = (const int32_t*)column->buffers[1] + column->offset;
  printf("%.*s", (int)(ends[row + 1] - ends[row]), (const char*)column->buffers[2] + ends[row]);
}

/* Prints changes whose columns are step, op, symbol and total. */
static void print_changes(const char* who, const laminar_result* changes) {
  for (uint64_t i = 0; i < laminar_batch_count(changes); i++) {
    struct ArrowArray array;
    struct ArrowSchema schema;
    if (laminar_batch_export(changes, i, &array, &schema)) {
      failed("export");
      return;
    }
    const struct ArrowArray* total = array.children[3];
    for (int64_t row = 0; row < array.length; row++) {
      printf("%s: ", who);
      print_text(array.children[1], row);
      printf(" ");
      print_text(array.children[2], row);
      printf(" %s = %" PRId64 "\n", schema.children[3]->name, ((const int64_t*)total->buffers[1])[total->offset + row]);
    }
    array.release(&array);
    schema.release(&schema);
  }
}

/* Is called within laminar_push, so it only looks and counts. */
static void on_changes(void* context, const laminar_result* changes, const char* error) {
  int* calls = context;
  *calls += 1;
  if (changes) {
    print_changes("called", changes);
  } else {
    printf("called: %s\n", error ? error : "the end");
  }
}

static int poll_all(LaminarSubscriptionHandle* totals) {
  laminar_result* changes;
  for (;;) {
    if (laminar_subscription_next(totals, -1, &changes)) return failed("next");
    if (!changes) return 0;
    print_changes("polled", changes);
    laminar_result_free(changes);
  }
}

/* Misuse is an error, not a crash. */
static void show_errors(laminar_database* db, LaminarSubscriptionHandle* called) {
  LaminarSubscriptionHandle* none = (LaminarSubscriptionHandle*)1;
  laminar_result* changes = (laminar_result*)1;
  if (laminar_subscribe(db, "nowhere", &none)) printf("%s, subscription %s\n", laminar_last_error_code(), none ? "left" : "NULL");
  if (laminar_subscribe_callback(db, "totals", NULL, NULL, &none)) printf("%s\n", laminar_last_error_message());
  if (laminar_subscription_next(called, 0, &changes)) printf("%s, changes %s\n", laminar_last_error_message(), changes ? "left" : "NULL");
  if (laminar_subscription_next(NULL, 0, &changes)) printf("%s\n", laminar_last_error_message());
  laminar_unsubscribe(NULL);
}

int main(void) {
  laminar_database* db;
  laminar_result* trades;
  LaminarSubscriptionHandle *polled, *called;
  struct ArrowSchema columns;
  int calls = 0;
  if (laminar_open(":memory:", &db)) return failed("open");
  if (laminar_execute(db,
                      "CREATE SOURCE trades (symbol VARCHAR, volume BIGINT);"
                      "CREATE MATERIALIZED VIEW totals AS"
                      "  SELECT symbol, CAST(sum(volume) AS BIGINT) AS total FROM trades GROUP BY symbol"))
    return failed("execute");
  if (laminar_subscribe(db, "totals", &polled)) return failed("subscribe");
  if (laminar_subscribe_callback(db, "totals", on_changes, &calls, &called)) return failed("subscribe with a callback");
  if (laminar_subscription_schema_export(polled, &columns)) return failed("schema");
  printf("%s, %s, %s, ...\n", columns.children[0]->name, columns.children[1]->name, columns.children[2]->name);
  columns.release(&columns);

  if (import_trades(&trades)) return failed("import");
  if (laminar_push_result(db, "trades", trades)) return failed("push");
  if (laminar_push_result(db, "trades", trades)) return failed("push");
  laminar_result_free(trades);
  if (poll_all(polled)) return 1;
  show_errors(db, called);

  printf("finished: %d\n", laminar_subscription_finished(polled));
  if (laminar_end_source(db, "trades")) return failed("end");
  if (poll_all(polled)) return 1;
  printf("finished: %d, calls: %d\n", laminar_subscription_finished(polled), calls);
  laminar_unsubscribe(called);
  laminar_close(db);
  laminar_unsubscribe(polled); /* a subscription may outlive its database */
  return 0;
}
