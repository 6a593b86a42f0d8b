// Where a written rule goes.

export function Keep({ id, ready }: { id: string; document: Record<string, unknown>; ready: boolean; known: boolean }) {
  return (
    <p className="muted" data-ready={ready}>
      Put the file into a folder of rules that the server reads (<code>rules</code> in its configuration), check it with <code>taffrail rules lint {id}.yaml</code>, give it test events, and review it like code. It is active from the next start.
    </p>
  );
}
