/* Continue a text with an exported language model: ./generate [--library FILE] models/NAME/saved_model/1 SEED "Once"
   Prints one line a text: the text and what follows, a tab, the log-probability of both. Or draw new texts with an
   autoencoder, one a line: ./generate --new COUNT models/NAME/saved_model/1 SEED
   The same seed gives the same texts as `kerasnlp-kit generate` does, text n having SEED + n. Needs TensorFlow's C
   library, no Python. */
#include "signature.h"

/* A single number: int32 or float []. */
static TF_Tensor *number(TF_DataType type, const void *value) {
  TF_Tensor *made = TF_AllocateTensor(type, NULL, 0, 4);
  memcpy(TF_TensorData(made), value, 4);
  return made;
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "--library")) { /* operations of subwords, as in write.c */
    TF_Status *status = TF_NewStatus();
    TF_LoadLibrary(argv[2], status);
    check(status, argv[2]);
    TF_DeleteStatus(status);
    argc -= 2, argv += 2;
  }
  int fresh = argc > 1 && !strcmp(argv[1], "--new"), count = fresh && argc == 5 ? atoi(argv[2]) : 0;
  if (fresh ? count < 1 : argc < 4)
    return fprintf(stderr, "usage: generate [--library FILE] SAVED_MODEL_FOLDER SEED TEXT...\n"
                           "       generate [--library FILE] --new COUNT SAVED_MODEL_FOLDER SEED\n"), 2;
  if (fresh) argc -= 2, argv += 2;
  char *end;
  long given_seed = strtol(argv[2], &end, 10);
  int32_t max_tokens = 100, seed = (int32_t)given_seed, top_k = 0;
  if (*end || end == argv[2] || seed != given_seed) return fprintf(stderr, "SEED must be a whole number, not %s\n", argv[2]), 2;
  Model model = load(argv[1]);
  Bytes serving = signature(&model, count ? "sample" : "serving_default");
  float temperature = 1, top_p = 1;
  TF_Tensor *texts = count ? NULL : strings(argv + 3, argc - 3), *answers[2] = {NULL, NULL};
  TF_Tensor *inputs[] = {number(TF_INT32, &seed), number(TF_FLOAT, &temperature), number(TF_INT32, &top_k),
                         number(TF_FLOAT, &top_p), number(TF_INT32, count ? &count : &max_tokens), texts};
  const char *names[] = {"seed", "temperature", "top_k", "top_p", count ? "count" : "max_tokens", "prompt"};
  int given = count ? 5 : 6, found = count ? 1 : 2; /* new texts have no prompt and come without their scores */
  TF_Output places[6], outputs[2];
  for (int i = 0; i < given; i++) places[i] = tensor(model.graph, serving, 1, names[i]);
  for (int i = 0; i < found; i++) outputs[i] = tensor(model.graph, serving, 2, i ? "score" : "text");
  TF_SessionRun(model.session, NULL, places, inputs, given, outputs, answers, found, NULL, 0, NULL, model.status);
  check(model.status, "running the model");
  for (int i = 0; i < 5; i++) TF_DeleteTensor(inputs[i]);
  print_and_close(&model, texts, answers, count ? count : argc - 3);
  return 0;
}
