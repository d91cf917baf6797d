/* Continue a text with an exported language model: ./generate [--library FILE] models/NAME/saved_model/1 SEED "Once"
   Prints one line a text: the text and what follows, a tab, the log-probability of both. The same seed gives the same
   text as `kerasnlp-kit generate` does, text n having SEED + n. Needs TensorFlow's C library, no Python. */
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
  if (argc < 4) return fprintf(stderr, "usage: generate [--library FILE] SAVED_MODEL_FOLDER SEED TEXT...\n"), 2;
  Model model = load(argv[1]);
  Bytes serving = signature(&model, "serving_default");
  int32_t max_tokens = 100, seed = atoi(argv[2]), top_k = 0;
  float temperature = 1, top_p = 1;
  TF_Tensor *inputs[] = {strings(argv + 3, argc - 3),        number(TF_INT32, &max_tokens),
                         number(TF_INT32, &seed),            number(TF_FLOAT, &temperature),
                         number(TF_INT32, &top_k),           number(TF_FLOAT, &top_p)};
  const char *names[] = {"prompt", "max_tokens", "seed", "temperature", "top_k", "top_p"};
  TF_Output places[6], outputs[] = {tensor(model.graph, serving, 2, "text"), tensor(model.graph, serving, 2, "score")};
  for (int i = 0; i < 6; i++) places[i] = tensor(model.graph, serving, 1, names[i]);
  TF_Tensor *answers[2];
  TF_SessionRun(model.session, NULL, places, inputs, 6, outputs, answers, 2, NULL, 0, NULL, model.status);
  check(model.status, "running the model");
  for (int i = 1; i < 6; i++) TF_DeleteTensor(inputs[i]);
  print_and_close(&model, inputs[0], answers, argc - 3);
  return 0;
}
