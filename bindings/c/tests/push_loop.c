/* Pushes rows in a loop beside a subscription that is never read; the number of rows is the argument. Prints what came of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "laminar.h"

#define BATCH 1000

static int failed(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", what, laminar_last_error_code(), laminar_last_error_message());
  return 1;
}

static void release_array(struct ArrowArray* array) {
  for (int64_t i = 0; i < array->n_children; i++) array->children[i]->release = NULL;
  array->release = NULL;
}

static void release_schema(struct ArrowSchema* schema) {
  for (int64_t i = 0; i < schema->n_children; i++) schema->children[i]->release = NULL;
  schema->release = NULL;
}

/* A batch of numbers; what it points to is static, and is pushed again and again. */
static int import_numbers(laminar_result** numbers) {
  static int64_t values[BATCH];
  static const void *buffers[] = {NULL, values}, *no_buffers[] = {NULL};
  static struct ArrowArray n = {BATCH, 0, 0, 2, 0, buffers, NULL, NULL, release_array, NULL};
  static struct ArrowArray* columns[] = {&n};
  struct ArrowArray rows = {BATCH, 0, 0, 1, 1, no_buffers, columns, NULL, release_array, NULL};
  static struct ArrowSchema n_type = {"l", "n", NULL, 0, 0, NULL, NULL, release_schema, NULL};
  static struct ArrowSchema* types[] = {&n_type};
  struct ArrowSchema type = {"+s", "", NULL, 0, 1, types, NULL, release_schema, NULL};
  for (int64_t i = 0; i < BATCH; i++) values[i] = i;
  return laminar_batch_import(&rows, &type, numbers);
}

/* Resident memory in MiB; 0 where that cannot be read. */
static long resident(void) {
  long total = 0, pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%ld %ld", &total, &pages) != 2) pages = 0;
  fclose(file);
  return pages / 256;
}

static int64_t counted(laminar_database* db) {
  laminar_result* result;
  struct ArrowArray array;
  struct ArrowSchema schema;
  int64_t n;
  if (laminar_query(db, "SELECT n FROM counted", &result)) return -1;
  if (laminar_batch_export(result, 0, &array, &schema)) return -1;
  n = ((const int64_t*)array.children[0]->buffers[1])[array.children[0]->offset];
  array.release(&array);
  schema.release(&schema);
  laminar_result_free(result);
  return n;
}

int main(int count, char** arguments) {
  laminar_database* db;
  laminar_result *numbers, *changes;
  LaminarSubscriptionHandle* unread;
  int64_t rows = count > 1 ? atoll(arguments[1]) : 100 * BATCH;
  long most = 0, at_first = 0;
  if (laminar_open(":memory:", &db)) return failed("open");
  if (laminar_execute(db,
                      "SET subscription_memory = '1 MiB';"
                      "CREATE SOURCE numbers (n BIGINT NOT NULL);"
                      "CREATE STREAM passed AS SELECT n FROM numbers;"
                      "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers"))
    return failed("execute");
  if (laminar_subscribe(db, "passed", &unread)) return failed("subscribe");
  if (import_numbers(&numbers)) return failed("import");
  for (int64_t pushed = 0; pushed < rows; pushed += BATCH) {
    if (laminar_push_result(db, "numbers", numbers)) return failed("push");
    if (pushed == rows / BATCH / 10 * BATCH) at_first = resident();
    if (resident() > most) most = resident();
  }
  printf("all are counted: %d\n", counted(db) == rows);
  printf("grown by less than 64 MiB: %d\n", most - at_first < 64);
  if (laminar_subscription_next(unread, 0, &changes)) printf("the reader that never read: %s\n", laminar_last_error_code());
  laminar_result_free(numbers);
  laminar_unsubscribe(unread);
  laminar_close(db);
  return 0;
}
