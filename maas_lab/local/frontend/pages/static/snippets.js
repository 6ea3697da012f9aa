// Ready-to-run calls of the gateway. The key is not in them: they can be kept, shown and committed.

const HELLO = "Say hello in five words.";

/** The variable that the snippets read the key from. */
export const VARIABLE = "MAAS_API_KEY";

/** A line for bash and zsh that asks for the key, so that it is in no history. */
export const SET = `read -rs ${VARIABLE} && export ${VARIABLE}`;

/** Return a call with curl, for a shell. */
export function curl(gateway, model) {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: HELLO }], max_tokens: 32 });
  return [
    `curl -sS ${quoted(`${base(gateway)}/chat/completions`)} \\`,
    `  -H "Authorization: Bearer $${VARIABLE}" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${quoted(body)}`,
  ].join("\n");
}

/** Return the same call with the OpenAI SDK, for Python. JSON's texts are Python's as well. */
export function python(gateway, model) {
  return [
    "import os",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(base(gateway))}, api_key=os.environ["${VARIABLE}"])`,
    "answer = client.chat.completions.create(",
    `    model=${JSON.stringify(model)},`,
    `    messages=[{"role": "user", "content": ${JSON.stringify(HELLO)}}],`,
    "    max_tokens=32,",
    ")",
    "print(answer.choices[0].message.content)",
  ].join("\n");
}

function base(gateway) {
  return gateway.replace(/(\/v1)?\/*$/, "/v1");
}

function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
