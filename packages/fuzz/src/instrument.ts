import ts from 'typescript'
import { HITS } from './task.js'

/** A place in the source that a run either comes to or not: the body of a function, an arm of a branch. */
export interface Point {
  /** Path from the root of the repository. */
  readonly file: string
  /** From 1. */
  readonly line: number
}

/**
 * The same source, counting at each of its points. The TypeScript compiler finds the places; only text is put in, no line
 * is added, so that stack traces stay right.
 * @param points gets the new points; the number of a point is its place in there
 */
export function instrument(source: string, file: string, points: Point[]): string {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true)
  const inserted: { at: number; order: number; text: string }[] = []

  const put = (at: number, text: string, order = 0) => inserted.push({ at, order, text })
  const count = (node: ts.Node) => {
    const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree))
    return `$hits[${points.push({ file, line: line + 1 }) - 1}]++`
  }
  /** `x` becomes `(count, x)`. Outer ones open first and close last. */
  const wrapExpression = (node: ts.Expression) => {
    put(node.getStart(tree), `(${count(node)},`, node.getStart(tree) - node.end)
    put(node.end, ')', -node.getStart(tree))
  }
  const wrapStatement = (node: ts.Statement) => {
    if (ts.isBlock(node)) return
    put(node.getStart(tree), `{${count(node)};`, node.getStart(tree) - node.end - 1)
    put(node.end, '}', -node.getStart(tree) + 1)
  }

  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node)) put(node.getStart(tree) + 1, `${count(node)};`)
    else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) wrapExpression(node.body)
    else if (ts.isConditionalExpression(node)) {
      wrapExpression(node.whenTrue)
      wrapExpression(node.whenFalse)
    } else if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind)) wrapExpression(node.right)
    else if (ts.isCaseOrDefaultClause(node)) put(endOfLabel(node, tree), `${count(node)};`)
    else if (ts.isIfStatement(node)) {
      wrapStatement(node.thenStatement)
      if (node.elseStatement) wrapStatement(node.elseStatement)
      else put(node.end, ` else ${count(node)};`, -node.getStart(tree))
    } else if (ts.isIterationStatement(node, false)) wrapStatement(node.statement)
    ts.forEachChild(node, visit)
  }
  visit(tree)

  inserted.sort((a, b) => a.at - b.at || a.order - b.order)
  let out = `const $hits=globalThis.${HITS};`
  let from = 0
  for (const { at, text } of inserted) {
    out += source.slice(from, at) + text
    from = at
  }
  return out + source.slice(from)
}

function isShortCircuit(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken ||
    kind === ts.SyntaxKind.QuestionQuestionEqualsToken
  )
}

/** Behind the colon. */
function endOfLabel(clause: ts.CaseOrDefaultClause, tree: ts.SourceFile): number {
  const colon = clause.getChildren(tree).find((child) => child.kind === ts.SyntaxKind.ColonToken)
  return colon!.end
}
